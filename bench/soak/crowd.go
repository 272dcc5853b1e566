package soak

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"chatd/bench/load"
	"chatd/poller"
)

const (
	// dialing is how many connections may be in their handshake at a time.
	dialing = 128
	// atOnceByTLS is the same for those of TLS, which take time of both sides: the server
	// waits for a head no longer than for one that comes at once.
	atOnceByTLS = 8
	// sources is how many loopback addresses the clients come from, so that
	// those that have left don't use up the ports.
	sources = 16
	// underWay is how many messages may have been sent to a room that not every
	// healthy client has heard: half of chatd's -queue, so that whoever is dropped for
	// being slow was the server's fault.
	underWay = 128
	// bytesUnderWay is the same in bytes, over all clients: what the kernel's
	// buffers may come to.
	bytesUnderWay = 128 << 20
	// pumping is how often it is looked at who may send.
	pumping = 2 * time.Millisecond
	// manyFaults is how many different ones are told apart.
	manyFaults = 20
)

// crowd is all clients of a life. All of it belongs to its one worker, which
// [crowd.do] has run a function, but for what is static.
type crowd struct {
	addr    Addr
	permits chan struct{}  // for handshakes in flight
	turns   chan struct{}  // for those of TLS among them, each in a goroutine
	shakes  sync.WaitGroup // … which are these
	pool    *poller.Pool
	poller  *poller.Poller
	pump    pump
	stop    func()

	upgrades upgrades

	rooms       [mostRooms]*room // static
	homes       []*room          // of publishers, by their number
	clients     []*client        // those that have a connection
	publishers  []*publisher
	terminating bool // the server was told to end
	inflater    inflater
	deflater    deflater
	tally       Tally
}

// Addr is where clients come.
type Addr struct{ Plain, TLS netip.AddrPort }

// secureConfigs take turns: of those that make whole handshakes, and of those that resume
// what another of them began. They are as cheap as there are.
var secureConfigs = [...]*tls.Config{
	{InsecureSkipVerify: true, ServerName: "127.0.0.1", CurvePreferences: cheap},
	{InsecureSkipVerify: true, ServerName: "127.0.0.1", CurvePreferences: cheap, ClientSessionCache: tls.NewLRUClientSessionCache(1)},
}

var cheap = []tls.CurveID{tls.X25519}

// Tally is what a crowd counted.
type Tally struct {
	Connected int            // handshakes that succeeded
	Secured   int            // handshakes of TLS of which the server knows
	Fleeting  int            // handshakes of TLS, of which it need not
	Parted    int            // handshakes of TLS that were cut off by an upgrade
	Unsaid    int            // clients that ended a stream of TLS without a word
	Rooms     int            // that somebody has joined since the baseline
	Deflating int            // of them with permessage-deflate
	Sent      uint64         // messages
	Heard     uint64         // deliveries to clients that read everything they were sent
	Loose     uint64         // deliveries to others
	Missed    uint64         // at most so many were due to others and did not come
	Inflated  uint64         // of all of them that came compressed
	Stuck     int            // clients that did not read for a while
	GoingAway int            // clients that got 1001, after a SIGTERM
	Ended     int            // stuck clients whose stream ended, after a SIGTERM
	Refused   map[string]int // hostile clients that were closed as they had to be, by the reason
	Faults    map[string]int // what went wrong, and how often
}

func newCrowd(addr Addr) (*crowd, error) {
	c := &crowd{addr: addr, permits: make(chan struct{}, dialing), turns: make(chan struct{}, atOnceByTLS)}
	for i := range c.rooms {
		c.rooms[i] = &room{number: i}
	}
	c.tally = Tally{Refused: make(map[string]int), Faults: make(map[string]int)}
	c.pool = poller.NewPool(0, poller.NewPlain, slog.Default()) // all of it runs on the poller's goroutine
	var err error
	if c.poller, err = poller.New(c.pool, func(err error) { slog.Error("waiting for events failed", "err", err) }); err != nil {
		return nil, err
	}
	c.pump.crowd = c
	c.pump.Init(c.pool, &c.pump)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, pumping, func() bool { c.pump.Schedule(); return true })
	}()
	c.stop = func() { stop(); <-done }
	return c, nil
}

// close disconnects everybody.
func (c *crowd) close() {
	c.shakes.Wait()
	c.do(func() {
		for len(c.clients) > 0 {
			c.clients[0].gone()
		}
	})
	c.stop()
	c.poller.Close()
	c.pool.Close()
}

// every calls f at intervals until it returns false or ctx ends.
func every(ctx context.Context, interval time.Duration, f func() bool) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil && f() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// job is a function that the worker runs.
type job struct {
	poller.Task
	run  func()
	done chan any // what it panicked with, nil if it didn't
}

// Run implements poller.Runner.
func (j *job) Run(*poller.Worker) {
	j.run()
	j.done <- nil
}

// Panicked implements poller.Runner.
func (j *job) Panicked(_ *poller.Worker, cause any) { j.done <- cause }

// do has the worker run a function and waits for it.
func (c *crowd) do(run func()) {
	j := &job{run: run, done: make(chan any, 1)}
	j.Init(c.pool, j)
	j.Schedule()
	if cause := <-j.done; cause != nil {
		panic(cause)
	}
}

// fault notes that something is wrong. It belongs to the worker.
func (c *crowd) fault(err error) {
	what := err.Error()
	if _, known := c.tally.Faults[what]; !known && len(c.tally.Faults) >= manyFaults {
		what = "others"
	}
	c.tally.Faults[what]++
}

// failed notes what went wrong elsewhere.
func (c *crowd) failed(err error) { c.do(func() { c.fault(err) }) }

// counts is what was counted so far.
func (c *crowd) counts() (t Tally) {
	c.do(func() {
		t = c.tally
		for _, r := range c.rooms {
			t.Sent += r.ledger.sent
			if r.joined {
				t.Rooms++
			}
		}
		for _, cl := range c.clients {
			cl.count(&t)
		}
	})
	return t
}

// pump lets publishers send what the slowest client allows.
type pump struct {
	poller.Task
	crowd *crowd
	turn  int // whose it is to be first
}

// Run implements poller.Runner.
func (p *pump) Run(w *poller.Worker) {
	c := p.crowd
	for _, r := range c.rooms {
		r.slowest = r.ledger.end()
		r.oldest = r.slowest
	}
	for _, cl := range c.clients {
		if cl.stage == fresh {
			continue
		}
		if cl.early {
			cl.Schedule()
		}
		r := cl.room
		r.oldest = min(r.oldest, cl.place.next)
		if cl.stage == open && cl.full && cl.place.known {
			r.slowest = min(r.slowest, cl.place.next)
		}
	}
	for _, r := range c.rooms {
		r.ledger.forget(r.oldest)
	}
	p.turn++
	for i := range c.publishers {
		c.publishers[(p.turn+i)%len(c.publishers)].fill(w)
	}
}

// Panicked implements poller.Runner.
func (p *pump) Panicked(_ *poller.Worker, cause any) {
	p.crowd.fault(fmt.Errorf("harness: %v", cause))
}

// manner is how a client comes.
type manner struct {
	deflate bool // it offers permessage-deflate
	secure  bool // by TLS
	narrow  bool // only such one can get stuck soon: to the others, kernels send megabytes
}

// manner decides how one comes: half of all by TLS.
func (p *Phase) manner(r *rand.Rand, narrow bool) manner {
	return manner{deflate: r.IntN(percent) < p.Deflate, secure: r.IntN(2) == 0, narrow: narrow}
}

// connect opens a client for the room of that number and returns once its
// handshake is under way.
func (c *crowd) connect(number, room int, m manner) (*client, error) {
	select {
	case c.permits <- struct{}{}:
	case <-time.After(patience):
		return nil, fmt.Errorf("handshakes that are not answered: %w: %s", errPatience, patience)
	}
	addr := c.addr.Plain
	if m.secure {
		c.turns <- struct{}{}
		addr = c.addr.TLS
	}
	fd, err := load.Dial(addr, number%sources, m.narrow)
	if err != nil {
		<-c.permits
		if m.secure {
			<-c.turns
		}
		return nil, err
	}
	cl := &client{crowd: c, room: c.rooms[room], offers: m.deflate, full: true, upgrades: c.upgrades.over.Load()}
	cl.Attach(fd, c.pool, cl)
	if !m.secure {
		cl.Schedule()
		return cl, nil
	}
	cl.stage = securing
	c.shakes.Go(func() {
		err := cl.Handshake(secureConfigs[number%len(secureConfigs)])
		<-c.turns
		c.do(func() { cl.secured(err) })
	})
	return cl, nil
}

var errPatience = errors.New("not in time")

// await waits until the worker finds that something holds.
func (c *crowd) await(patience time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done := false
	every(ctx, 5*time.Millisecond, func() bool {
		c.do(func() { done = holds() })
		return !done
	})
	if !done {
		return fmt.Errorf("%w: %s", errPatience, patience)
	}
	return nil
}
