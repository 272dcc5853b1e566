package load

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"

	"chatd/bench/result"
	"chatd/poller"
)

// How many connections may be in their handshake at a time.
const (
	AtOnce = 128
	// AtOnceHerd is as many as find room in what kernels keep until a server
	// accepts (net.core.somaxconn is 4096).
	AtOnceHerd = 2048
)

// Fleet is a number of clients of one server.
type Fleet struct {
	target  *Target
	rooms   Rooms // static
	size    int   // bytes of a message; static
	senders int   // so many of its first clients may send; static
	pool    *poller.Pool
	poller  *poller.Poller
	permits chan struct{} // for handshakes in flight
	targets []*Target     // of who connects from now on; none: target. Owned by who connects

	// Written by the worker, read by all.
	open      atomic.Int64  // clients that are connected
	opened    atomic.Int64  // handshakes that succeeded
	failed    atomic.Int64  // handshakes that failed
	cutOff    atomic.Int64  // clients that the server disconnected, but stuck ones
	dropped   atomic.Int64  // stuck clients that the server disconnected
	delivered atomic.Uint64 // messages heard, by all clients
	bytes     atomic.Uint64 // of frames in which they came
	back      atomic.Int64  // clients that were cut and have heard all that they missed

	// Owned by the worker.
	clients []*client
	sparse  bool     // messages' numbers may have holes
	losing  bool     // whom the server disconnects comes back
	ending  bool     // disconnects are ours
	awake   bool     // those that lag read
	newest  []*event // by room, from rooms.First on: what who comes new comes after
	posts   []*post
	places  []map[uint64]message // by room, from rooms.First on: what was heard by its number; nil: nobody asks
	window  window
	causes  map[string]int // what went wrong, and how often
	in      [inSize]byte   // what has come by TLS
}

// NewFleet makes a fleet without clients, of which so many shake hands at once, and of
// which the first ones will be senders. Its messages are size bytes long.
func NewFleet(target *Target, rooms Rooms, size, atOnce, senders int) (*Fleet, error) {
	f := &Fleet{target: target, rooms: rooms, size: size, senders: senders, permits: make(chan struct{}, atOnce), causes: make(map[string]int)}
	for range rooms.Len() {
		f.newest = append(f.newest, &event{})
	}
	f.window.init(rooms)
	// All of it runs on the poller's goroutine.
	f.pool = poller.NewPool(0, poller.NewPlain, slog.Default())
	var err error
	if f.poller, err = poller.New(f.pool, func(err error) { slog.Error("waiting for events failed", "err", err) }); err != nil {
		return nil, err
	}
	return f, nil
}

// Spread has who connects from now on do so to servers that share their rooms, in turn.
// Their messages' numbers may have holes. Who connects calls it.
func (f *Fleet) Spread(targets ...*Target) {
	f.targets = targets
	f.Do(func() { f.sparse = true })
}

// targetOf is the server of a client. Those of a room take turns, too.
func (f *Fleet) targetOf(number int) *Target {
	if n := len(f.targets); n > 0 {
		return f.targets[(number+number/f.rooms.Len())%n]
	}
	return f.target
}

// Close disconnects everybody.
func (f *Fleet) Close() {
	f.Do(func() {
		f.ending = true
		for _, c := range f.clients {
			c.close()
		}
		for _, p := range f.posts {
			p.Close()
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
	Lagging              // hears everything, but reads only now and then; see Fleet.Wake
)

// narrow reports whether kernels should buffer little for one of that kind.
func (k Kind) narrow() bool { return k == Stuck || k == Lagging }

// Wake has the clients that lag read, or not: at first they don't.
func (f *Fleet) Wake(awake bool) {
	f.Do(func() {
		f.awake = awake
		for _, c := range f.clients {
			if c.kind == Lagging && awake {
				c.Schedule()
			}
		}
	})
}

// Connect opens a client and returns once its handshake is under way. Its number
// decides its room and its source address.
func (f *Fleet) Connect(number int, kind Kind) error {
	f.permits <- struct{}{}
	target := f.targetOf(number)
	fd, secure, err := target.connect(number, kind, &f.in)
	if err != nil {
		<-f.permits
		return err
	}
	c := &client{fleet: f, Wire: Wire{secure: secure}, target: target, number: number, kind: kind, room: f.rooms.of(number), dialect: target.dialect}
	if number < f.senders {
		c.dialect = c.dialect.speaker()
	}
	c.Attach(fd, f.pool, c)
	c.Schedule()
	return nil
}

// Settled waits until no handshake is under way.
func (f *Fleet) Settled() {
	for range cap(f.permits) {
		f.permits <- struct{}{}
	}
	for range cap(f.permits) {
		<-f.permits
	}
}

// Counts is a fleet at a moment.
type Counts struct {
	Opened    int    // handshakes that succeeded
	Failed    int    // handshakes that failed
	Open      int    // clients that are connected
	Dropped   int    // stuck clients that the server disconnected
	Delivered uint64 // good messages heard, by all clients
	Bytes     uint64 // of the frames in which they came
	Back      int    // clients that were cut and have heard all that they missed
}

// Counts may be called from anywhere.
func (f *Fleet) Counts() Counts {
	return Counts{
		Opened:    int(f.opened.Load()),
		Failed:    int(f.failed.Load()),
		Open:      int(f.open.Load()),
		Dropped:   int(f.dropped.Load()),
		Delivered: f.delivered.Load(),
		Bytes:     f.bytes.Load(),
		Back:      int(f.back.Load()),
	}
}

// Verdict is what clients found wrong.
type Verdict struct {
	Faults result.Faults             // without OrderDiffers, which takes all to tell
	Orders map[int]map[uint64]uint64 // clients that heard everything: by room, and by the order in which they did
	Causes map[string]int            // why clients were cut off, and what they could not use
}

func newVerdict() Verdict {
	return Verdict{Orders: make(map[int]map[uint64]uint64), Causes: make(map[string]int)}
}

// order counts n clients of a room that heard everything in that order.
func (v *Verdict) order(room int, order, n uint64) {
	if v.Orders[room] == nil {
		v.Orders[room] = make(map[uint64]uint64)
	}
	v.Orders[room][order] += n
}

// Merge adds what other clients found.
func (v *Verdict) Merge(other Verdict) {
	v.Faults.Add(other.Faults)
	for room, orders := range other.Orders {
		for order, n := range orders {
			v.order(room, order, n)
		}
	}
	for cause, n := range other.Causes {
		v.Causes[cause] += n
	}
}

// Sum is all faults.
func (v *Verdict) Sum() result.Faults {
	sum := v.Faults
	for _, orders := range v.Orders {
		most, all := uint64(0), uint64(0)
		for _, n := range orders {
			most, all = max(most, n), all+n
		}
		sum.OrderDiffers += all - most
	}
	return sum
}

// Lines is the causes, a line each.
func (v *Verdict) Lines() (lines []string) {
	for what, n := range v.Causes {
		lines = append(lines, fmt.Sprintf("%s (%d times)", what, n))
	}
	slices.Sort(lines)
	return lines
}

// Verdict adds up what all clients found wrong, when everybody should have
// heard so many messages of each sender in the room.
func (f *Fleet) Verdict(expected Sent) Verdict {
	v := newVerdict()
	f.Do(func() {
		maps.Copy(v.Causes, f.causes)
		for _, c := range f.clients {
			if c.kind == Stuck {
				continue
			}
			k := &c.check
			v.Faults.Add(k.faults)
			if c.phase == closed { // what came after it was cut off is no loss of its own
				v.Faults.Lost += k.lost(nil)
				continue
			}
			lost := k.lost(expected.room(c.room - f.rooms.First))
			if v.Faults.Lost += lost; lost == 0 {
				v.order(c.room, k.order, 1)
			}
		}
		v.Faults.Disconnected = uint64(f.cutOff.Load())
	})
	return v
}

// Expected is how many of the messages sent by each sender everybody in its room
// should have heard. Of a sender that was cut off it is unknown what got through:
// as much as anybody heard.
func (f *Fleet) Expected(sent Sent) Sent {
	expected := make(Sent, len(sent))
	for i := range sent {
		expected[i] = slices.Clone(sent[i])
	}
	f.Do(func() {
		for _, c := range f.clients {
			if c.sender == nil || c.phase != closed {
				continue
			}
			room := expected.room(c.room - f.rooms.First)
			id := int(c.sender.id)
			if id >= len(room) {
				continue
			}
			room[id] = 0
			for _, other := range f.clients {
				if other.room == c.room && id < len(other.check.next) {
					room[id] = max(room[id], other.check.next[id])
				}
			}
		}
	})
	return expected
}

// manyCauses is how many different ones are told apart.
const manyCauses = 20

// note counts what went wrong. It belongs to the worker.
func (f *Fleet) note(err error) {
	what := err.Error()
	if _, known := f.causes[what]; !known && len(f.causes) >= manyCauses {
		what = "others"
	}
	f.causes[what]++
}
