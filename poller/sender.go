package poller

// Sender writes to sockets without blocking.
//
// A result is the number of bytes that the socket took (its buffer may hold
// less than asked for), or negative: [WouldBlock] when it takes nothing now,
// another negative errno when the connection is broken.
type Sender interface {
	// Send writes p to one socket.
	Send(fd int32, p []byte) int
	// Fanout writes p to each socket of fds; results[i] is the outcome for
	// fds[i]. There are at most FanoutMax.
	Fanout(fds []int32, p []byte, results []int32)
	// Scatter is Fanout of a part of p to each socket, its own: they are as long as
	// each other, and follow each other.
	Scatter(fds []int32, p []byte, results []int32)
	// Close gives back what the Sender holds.
	Close()
}

// Plain is the Sender that makes one send call for each socket.
type Plain struct{}

// NewPlain returns a Plain.
func NewPlain() Sender { return Plain{} }

// Send implements Sender.
func (Plain) Send(fd int32, p []byte) int { return sysSend(fd, p) }

// Fanout implements Sender.
func (Plain) Fanout(fds []int32, p []byte, results []int32) {
	for i, fd := range fds {
		results[i] = int32(sysSend(fd, p))
	}
}

// Scatter implements Sender.
func (Plain) Scatter(fds []int32, p []byte, results []int32) {
	size := len(p) / max(len(fds), 1)
	for i, fd := range fds {
		results[i] = int32(sysSend(fd, p[i*size:][:size]))
	}
}

// Close implements Sender.
func (Plain) Close() {}
