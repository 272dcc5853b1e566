package load

import (
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"chatd/bench/result"
)

// Cut resets the connections of all clients that do not send, as a network does
// that fails. They keep their places for Return.
func (f *Fleet) Cut() {
	f.Do(func() {
		for _, c := range f.clients {
			if c.phase == open && c.sender == nil {
				_ = unix.SetsockoptLinger(int(c.FD()), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) // else it ends with a FIN
				c.close()
				c.phase = cut
			}
		}
	})
}

// Lose has clients that the server disconnects from now on, and that do not send, keep their
// places for Return, or not any more.
func (f *Fleet) Lose(lose bool) { f.Do(func() { f.losing = lose }) }

// Return has those that were cut connect again, each from its place on. It
// returns when the last is under way.
func (f *Fleet) Return() error {
	var away []*client
	f.Do(func() {
		away = slices.Clone(f.clients)
		away = slices.DeleteFunc(away, func(c *client) bool { return c.phase != cut })
	})
	for _, former := range away {
		f.permits <- struct{}{}
		target := f.targetOf(former.number)
		c := &client{fleet: f, target: target, number: former.number, kind: former.kind, room: former.room, dialect: former.dialect, former: former, back: comeback{began: Now()}}
		fd, secure, err := target.connect(c.number, c.kind, &f.in)
		if err != nil {
			<-f.permits
			return err
		}
		c.secure = secure
		c.Attach(fd, f.pool, c)
		c.Schedule()
	}
	return nil
}

// replace takes over what former has heard.
func (c *client) replace(former *client) {
	c.former = nil
	c.check, c.place = former.check, former.place
	c.slot = former.slot
	c.fleet.clients[c.slot] = c
}

// comeback is when a client came back and how far it has got since. The zero
// value is of one that was never cut.
type comeback struct {
	began    int64 // to connect
	caughtUp int64 // when it heard the last of what was due before
	done     bool
}

// heard takes in that a message was heard for the first time.
func (b *comeback) heard(f *Fleet, m message, now int64) {
	switch {
	case b.began == 0 || b.done:
	case m.due < b.began:
		b.caughtUp = now
	default: // this one was not missed any more
		b.done = true
		f.back.Add(1)
	}
}

// Comeback is how clients that were cut came back, in nanoseconds of the clock.
type Comeback struct {
	Began    int64                  // the first of them
	CaughtUp int64                  // the last of them
	Each     *hdrhistogram.Snapshot // how long it took each, in microseconds
}

// Latency is that of each.
func (c *Comeback) Latency() *result.Latency { return latency(hdrhistogram.Import(c.Each)) }

// Comeback is that of the clients that have heard all that they missed.
func (f *Fleet) Comeback() (all Comeback) {
	each := hdrhistogram.New(1, slowest.Microseconds(), 3)
	f.Do(func() {
		for _, c := range f.clients {
			b := c.back
			if !b.done || b.caughtUp == 0 {
				continue
			}
			if all.Began == 0 || b.began < all.Began {
				all.Began = b.began
			}
			all.CaughtUp = max(all.CaughtUp, b.caughtUp)
			_ = each.RecordValue(min((b.caughtUp-b.began)/1000, slowest.Microseconds())) // in range by now
		}
	})
	all.Each = each.Export()
	return all
}
