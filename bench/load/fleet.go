package load

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"chatd/bench/result"
	"chatd/poller"
)

// dialing is how many connections may be in their handshake at a time.
const dialing = 128

// Fleet is a number of clients of one server.
type Fleet struct {
	target  *Target
	size    int // bytes of a message; static
	pool    *poller.Pool
	poller  *poller.Poller
	permits chan struct{} // for handshakes in flight

	// Written by the worker, read by all.
	open      atomic.Int64  // clients that are connected
	opened    atomic.Int64  // handshakes that succeeded
	failed    atomic.Int64  // handshakes that failed
	cutOff    atomic.Int64  // clients that the server disconnected, but stuck ones
	dropped   atomic.Int64  // stuck clients that the server disconnected
	delivered atomic.Uint64 // messages heard, by all clients

	// Owned by the worker.
	clients []*client
	ending  bool // disconnects are ours
	window  window
	causes  causes
}

// NewFleet makes a fleet without clients. Its messages are size bytes long.
func NewFleet(target *Target, size int) (*Fleet, error) {
	f := &Fleet{target: target, size: size, permits: make(chan struct{}, dialing), causes: make(causes)}
	f.window.init()
	var err error
	if f.poller, err = poller.New(func(err error) { slog.Error("waiting for events failed", "err", err) }); err != nil {
		return nil, err
	}
	f.pool = poller.NewPool(1, slog.Default())
	return f, nil
}

// Close disconnects everybody.
func (f *Fleet) Close() {
	f.Do(func() {
		f.ending = true
		for _, c := range f.clients {
			c.close()
		}
	})
	f.poller.Close()
	f.pool.Close()
}

// job is a function that the worker runs.
type job struct {
	poller.Task
	run  func()
	done chan struct{}
}

// Run implements poller.Runner.
func (j *job) Run(*poller.Worker) {
	j.run()
	close(j.done)
}

// Panicked implements poller.Runner.
func (j *job) Panicked(*poller.Worker, any) { close(j.done) }

// Do has the worker run a function and waits for it: it may touch all that is
// the worker's.
func (f *Fleet) Do(run func()) {
	j := &job{run: run, done: make(chan struct{})}
	j.Init(f.pool, j)
	j.Schedule()
	<-j.done
}

// Kind is what a client does once it is connected.
type Kind uint8

// The kinds of clients.
const (
	Healthy  Kind = iota // hears everything
	Stuck                // never reads
	Fleeting             // hangs up at once
)

// Connect opens a client and returns once its handshake is under way. Numbers
// spread the clients over source addresses.
func (f *Fleet) Connect(number int, kind Kind) error {
	f.permits <- struct{}{}
	fd, err := f.target.connect(number)
	if err != nil {
		<-f.permits
		return err
	}
	c := &client{fleet: f, kind: kind}
	c.Attach(fd, f.pool, c)
	c.Schedule()
	return nil
}

// Settled waits until no handshake is under way.
func (f *Fleet) Settled() {
	for range dialing {
		f.permits <- struct{}{}
	}
	for range dialing {
		<-f.permits
	}
}

// Open is the number of connected clients.
func (f *Fleet) Open() int { return int(f.open.Load()) }

// Opened is the number of handshakes that succeeded.
func (f *Fleet) Opened() int { return int(f.opened.Load()) }

// Failed is the number of handshakes that failed.
func (f *Fleet) Failed() int { return int(f.failed.Load()) }

// CutOff is the number of clients that the server disconnected; stuck clients
// count in Dropped.
func (f *Fleet) CutOff() int { return int(f.cutOff.Load()) }

// Dropped is the number of stuck clients that the server disconnected.
func (f *Fleet) Dropped() int { return int(f.dropped.Load()) }

// Delivered is the number of messages that all clients have heard.
func (f *Fleet) Delivered() uint64 { return f.delivered.Load() }

// Causes says why clients were disconnected or not connected, and what they
// heard that they could not use: a line each.
func (f *Fleet) Causes() (lines []string) {
	f.Do(func() { lines = f.causes.lines() })
	return lines
}

// Faults adds up what all clients found wrong, after sent messages of each
// sender.
func (f *Fleet) Faults(sent []uint64) (sum result.Faults) {
	f.Do(func() {
		expected := f.expected(sent)
		orders := make(map[uint64]uint64) // clients by the order that they heard
		complete := uint64(0)
		for _, c := range f.clients {
			if c.kind != Healthy {
				continue
			}
			k := &c.check
			sum.Duplicated += k.faults.Duplicated
			sum.Disordered += k.faults.Disordered
			sum.Corrupt += k.faults.Corrupt
			if c.phase == closed { // what came after it was cut off is no loss of its own
				sum.Lost += k.lost(nil)
				continue
			}
			lost := k.lost(expected)
			if sum.Lost += lost; lost == 0 {
				orders[k.order]++
				complete++
			}
		}
		most := uint64(0)
		for _, n := range orders {
			most = max(most, n)
		}
		sum.OrderDiffers = complete - most
		sum.Disconnected = uint64(f.cutOff.Load())
	})
	return sum
}

// expected is how many messages of each sender everybody should have heard.
// Of a sender that was cut off it is unknown what got through: as much as
// anybody heard.
func (f *Fleet) expected(sent []uint64) []uint64 {
	expected := append([]uint64(nil), sent...)
	for _, c := range f.clients {
		if c.sender == nil || c.phase != closed || int(c.sender.id) >= len(expected) {
			continue
		}
		id := c.sender.id
		expected[id] = 0
		for _, other := range f.clients {
			if int(id) < len(other.check.next) {
				expected[id] = max(expected[id], other.check.next[id])
			}
		}
	}
	return expected
}

// causes counts what went wrong.
type causes map[string]int

func (c causes) lines() (lines []string) {
	for what, n := range c {
		lines = append(lines, fmt.Sprintf("%s (%d times)", what, n))
	}
	return lines
}
