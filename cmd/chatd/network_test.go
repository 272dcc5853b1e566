package main

import (
	"net"
	"sync"
	"testing"
)

// What a network does with the bytes that go one way.
type mood int

const (
	passes   mood = iota
	swallows      // they are gone
	holds         // they come later
)

// network is a TCP proxy that can fail as networks do: without a word.
type network struct {
	Addr string

	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex
	target   string
	changed  *sync.Cond
	up, down mood
	conns    map[net.Conn]bool
	closed   bool
}

// newNetwork starts a network in front of p.
func newNetwork(t *testing.T, p *process) *network {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{Addr: listener.Addr().String(), listener: listener, target: p.Addr, conns: make(map[net.Conn]bool)}
	n.changed = sync.NewCond(&n.mu)
	n.running.Go(n.accept)
	t.Cleanup(n.stop)
	return n
}

func (n *network) accept() {
	for {
		client, err := n.listener.Accept()
		if err != nil {
			return
		}
		n.mu.Lock()
		target := n.target
		n.mu.Unlock()
		server, err := net.Dial("tcp", target)
		if err != nil { // the client is told as by a host without the server
			client.Close()
			continue
		}
		if !n.add(client, server) {
			return
		}
		n.running.Go(func() { n.copy(server, client, &n.up) })
		n.running.Go(func() { n.copy(client, server, &n.down) })
	}
}

// add keeps conns to be closed, unless the network is gone.
func (n *network) add(conns ...net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range conns {
		if n.closed {
			c.Close()
		}
		n.conns[c] = true
	}
	return !n.closed
}

// copy carries bytes, in the mood that the network then has, until the
// connection ends.
func (n *network) copy(to, from net.Conn, m *mood) {
	defer n.cut(to, from)
	buf := make([]byte, 64<<10)
	for {
		k, err := from.Read(buf)
		if err != nil {
			return
		}
		if !n.lets(m, to, from) {
			continue
		}
		if _, err := to.Write(buf[:k]); err != nil {
			return
		}
	}
}

// lets waits while bytes are held and reports whether they go on.
func (n *network) lets(m *mood, conns ...net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for *m == holds && n.conns[conns[0]] {
		n.changed.Wait()
	}
	return *m == passes
}

func (n *network) cut(conns ...net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(n.conns, c)
	}
	n.changed.Broadcast()
}

// become changes what the network does with what goes up to the server, and with
// what comes down from it.
func (n *network) become(up, down mood) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up, n.down = up, down
	n.changed.Broadcast()
}

// lead has new connections go to another server.
func (n *network) lead(to *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.target = to.Addr
}

// reset breaks all connections.
func (n *network) reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a socket that is closed already breaks no more
		}
		c.Close()
		delete(n.conns, c)
	}
	n.changed.Broadcast()
}

func (n *network) stop() {
	n.listener.Close()
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.reset()
	n.running.Wait()
}
