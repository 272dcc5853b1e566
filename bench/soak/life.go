package soak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Server is a chatd that was started for one life.
type Server struct {
	Addr      Addr          // of its WebSocket
	Admin     string        // host:port
	Terminate func() error  // sends SIGTERM
	Upgrade   func() error  // has it replace its program, and waits until it has
	Ended     <-chan error  // what its process ended with
	Log       func() string // all it has logged; call it when the process has ended
	Race      bool          // it has the race detector
	Kill      func()        // ends it by force, if it is still there
}

// Figures are for the report.
type Figures struct {
	Seconds        float64
	Members, Rooms float64 // at most
	Resident, Heap float64 // at most, bytes
	Drain          time.Duration
	Segments       float64 // at most
}

const (
	calmTime = 30 * time.Second // for the server to see that all have left
	idling   = 15 * time.Second // for it to give memory back
	falling  = 3 * time.Second  // within which memory falls, if it still does
	sampling = time.Second
	polling  = 200 * time.Millisecond
	exitTime = 30 * time.Second
)

// life is one life of the server.
type life struct {
	plan     *Life
	server   *Server
	admin    *admin
	crowd    *crowd
	evidence Evidence
	say      func(what string)

	scraping sync.Mutex // held while the server is asked for its metrics, or replaced

	mu   sync.Mutex
	done map[Kind]int // phases that were carried out
}

// live carries a life out. An error means that it could not be.
func (l *life) live(ctx context.Context) (err error) {
	began := time.Now()
	e := &l.evidence
	e.Gentle, e.Race = l.plan.Gentle, l.server.Race
	l.admin = newAdmin(l.server.Admin)
	if l.crowd, err = newCrowd(l.server.Addr); err != nil {
		return err
	}
	defer func() { l.crowd.close() }()

	l.say("coming and leaving")
	e.Births = l.births()
	l.say("warming up")
	l.mix(ctx, l.plan.Warmup)
	if e.Baseline, err = l.calm(nil); err != nil {
		e.Calm = err
	}
	l.crowd.do(func() {
		for _, r := range l.crowd.rooms {
			r.joined = false
		}
	})
	l.say("running")
	stop := l.sample()
	l.mix(ctx, l.plan.Phases)
	stop()
	l.say("waiting for calm")
	if e.End, err = l.calm(e.Baseline); err != nil {
		e.Calm = cmp.Or(e.Calm, err)
	}
	e.Tally = l.crowd.counts()

	l.say("restarting")
	fresh, err := newCrowd(l.server.Addr)
	if err != nil {
		return err
	}
	l.crowd.close()
	l.crowd = fresh
	e.Exit = l.restart(ctx)
	e.Restart = l.crowd.counts()
	e.Log = l.server.Log()
	e.Figures.Seconds = time.Since(began).Seconds()
	return nil
}

// mix runs phases, each at its time.
func (l *life) mix(ctx context.Context, phases []Phase) {
	var all sync.WaitGroup
	defer all.Wait()
	var deeds []deed
	for _, p := range phases {
		deeds = append(deeds, deed{p.Start, func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			all.Go(func() {
				if p.Kind == Upgrade {
					l.upgrade(ctx)
				} else {
					l.crowd.run(ctx, &p)
				}
				l.mu.Lock()
				defer l.mu.Unlock()
				l.done[p.Kind]++
			})
			return nil
		}})
	}
	_ = perform(ctx, deeds) // those that ctx has cut off are missing in done
}

// sample follows the metrics until stop is called.
func (l *life) sample() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, sampling, func() bool {
			l.scraping.Lock()
			s, err := l.admin.scrape(ctx)
			l.scraping.Unlock()
			if err != nil {
				if ctx.Err() == nil {
					l.crowd.failed(err)
				}
				return true
			}
			f := &l.evidence.Figures
			f.Members = max(f.Members, s["chatd_members"])
			f.Rooms = max(f.Rooms, s["chatd_rooms"])
			f.Segments = max(f.Segments, s["chatd_log_segments"])
			f.Resident = max(f.Resident, s[resident])
			f.Heap = max(f.Heap, s[heap])
			return true
		})
	}()
	return func() { cancel(); <-done }
}

var errNotCalm = errors.New("members or connections are left")

// calm waits until the server has seen that everybody has left, and has had
// time to give memory back.
func (l *life) calm(baseline Snapshot) (s Snapshot, err error) {
	quiet := false
	within(calmTime, func() bool {
		s, err = l.admin.scrape(context.Background())
		quiet = err == nil && s["chatd_members"] == 0 && s["chatd_connections"] == 0
		return !quiet
	})
	switch {
	case err != nil:
		return s, err
	case !quiet:
		return s, fmt.Errorf("%w after %s: %.0f, %.0f", errNotCalm, calmTime, s["chatd_members"], s["chatd_connections"])
	}
	if s, err = l.agree(counts{created: anyCount, removed: anyCount}); err != nil {
		return s, err
	}
	return l.settle(s, baseline)
}

func within(limit time.Duration, f func() bool) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	every(ctx, polling, f)
}

// settle waits until all is back to what it was at the baseline, or the time is
// up; without a baseline, until memory has stopped falling. The server has to
// collect its garbage, so that the heap is what is in use.
func (l *life) settle(s Snapshot, baseline Snapshot) (Snapshot, error) {
	var err error
	least, fell := s[resident], time.Now()
	within(idling, func() bool {
		if s, err = l.admin.scrape(context.Background()); err != nil {
			return false
		}
		if baseline != nil {
			if err = l.collect(s); err != nil {
				return false
			}
			return slices.ContainsFunc(l.evidence.returning(), func(r returns) bool { return !r.ok(baseline, s) })
		}
		if s[resident] < least {
			least, fell = s[resident], time.Now()
		}
		return time.Since(fell) < falling
	})
	if err == nil && baseline == nil {
		err = l.collect(s)
	}
	return s, err
}

// collect makes the heap in s what is in use.
func (l *life) collect(s Snapshot) (err error) {
	for range 3 { // what a sync.Pool holds survives one, what was freed with it another
		if s[heap], err = l.admin.collect(context.Background()); err != nil {
			break
		}
	}
	return err
}

// restart puts load on the server, tells it to end, and returns what its process
// ended with.
func (l *life) restart(ctx context.Context) error {
	p, c := &l.plan.Restart, l.crowd
	r := p.rand()
	all, err := c.gather(p, r, false)
	if err == nil && !p.Gentle {
		var stuck []*client
		sleepers := Phase{Clients: p.Clients / sleeping, Rooms: p.Rooms}
		stuck, err = c.gather(&sleepers, r, true)
		c.do(func() {
			for _, cl := range stuck {
				cl.sleep()
			}
		})
		all = append(all, stuck...)
	}
	if err != nil {
		c.failed(fmt.Errorf("%v: %w", p.Kind, err))
	}
	load, cancel := context.WithTimeout(ctx, p.Length)
	defer cancel()
	<-load.Done()
	if _, err := l.agree(c.online()); err != nil {
		c.failed(err)
	}
	c.do(func() {
		c.terminating = true
		l.evidence.Online = len(c.clients)
		for _, cl := range c.clients {
			cl.leave.must = cl.room.ledger.end()
		}
	})
	if err := l.server.Terminate(); err != nil {
		c.failed(err) // it has ended before
	}
	told := time.Now()
	exit := l.exit()
	l.evidence.Figures.Drain = time.Since(told)
	c.do(func() {
		for _, cl := range c.clients {
			cl.wake()
		}
	})
	if err := c.left(all); err != nil {
		c.failed(err)
	}
	l.done[p.Kind]++
	return exit
}

// sleeping is how many of the clients don't read at a restart: one of so many.
const sleeping = 10

// exit waits for the process to end.
func (l *life) exit() error {
	select {
	case err := <-l.server.Ended:
		return err
	case <-time.After(exitTime):
		l.server.Kill()
		return fmt.Errorf("still there %s after SIGTERM: %w", exitTime, <-l.server.Ended)
	}
}
