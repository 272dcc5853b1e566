package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"chatd/room/order/natsproxy"
)

// copies is the beginning of the subjects of copies.
const copies = "r."

// Deed is something that was done, and when.
type Deed struct {
	At   time.Time
	What string
}

// harm does what a schedule says.
type harm struct {
	cluster *Cluster
	nc      *nats.Conn // to all servers

	// What was said between these times, in ms since 1970, may be lost by a Restore; 0: not
	// yet.
	kept, back atomic.Int64

	mu    sync.Mutex
	deeds []Deed // guarded by mu
}

func newHarm(c *Cluster) (*harm, error) {
	var urls []string
	for _, s := range c.Servers {
		urls = append(urls, s.URL)
	}
	nc, err := nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond))
	return &harm{cluster: c, nc: nc}, err
}

func (h *harm) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deeds = append(h.deeds, Deed{time.Now(), fmt.Sprintf(format, args...)})
}

// done is all that was done until now.
func (h *harm) done() []Deed {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.deeds[:len(h.deeds):len(h.deeds)]
}

// carryOut does all that a schedule says, and undoes it.
func (h *harm) carryOut(ctx context.Context, s *Schedule) error {
	began := time.Now()
	var lanes errgroup.Group
	for _, lane := range s.Lanes {
		lanes.Go(func() error {
			for i := range lane {
				f := &lane[i]
				if !sleep(ctx, time.Until(began.Add(f.Start))) {
					return ctx.Err()
				}
				h.note("%s", f)
				undo, err := h.do(context.WithoutCancel(ctx), f)
				sleep(ctx, f.Length)
				if err = errors.Join(err, undo()); err != nil {
					return err
				}
				if f.Length > 0 {
					h.note("over: %s", f)
				}
			}
			return nil
		})
	}
	sleep(ctx, s.Duration)
	return errors.Join(lanes.Wait(), ctx.Err())
}

// sleep reports whether all of the time passed.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// do does f, and returns what undoes it.
func (h *harm) do(ctx context.Context, f *Fault) (undo func() error, err error) {
	switch f.Kind {
	case KillServer, StopServer, PauseServer:
		var servers []*child
		for _, i := range f.Targets {
			servers = append(servers, &h.cluster.Servers[i].child)
		}
		return h.end(ctx, servers, f.Kind == KillServer, f.Kind == PauseServer), nil
	case KillNode, StopNode, PauseNode:
		var nodes []*child
		for _, i := range f.Targets {
			nodes = append(nodes, &h.cluster.Nodes[i].child)
		}
		return h.end(ctx, nodes, f.Kind == KillNode, f.Kind == PauseNode), nil
	case StepDown:
		h.stepDown(ctx, f.Targets)
		return nothing, nil
	case Restore:
		return h.restore(ctx)
	}
	for _, i := range f.Targets {
		for _, l := range h.cluster.Nodes[i].links {
			f.harm(l)
		}
	}
	return func() error {
		for _, i := range f.Targets {
			for _, l := range h.cluster.Nodes[i].links {
				l.Refuse(false)
				l.Hold(false)
				l.Delay(0)
				l.Decide(nil)
			}
		}
		return nil
	}, nil
}

func nothing() error { return nil }

// harm does it to a link.
func (f *Fault) harm(l *natsproxy.Proxy) {
	switch f.Kind {
	case Cut:
		l.Cut()
	case Partition:
		l.Refuse(true)
	case Silence:
		l.Hold(true)
	case Slow:
		l.Delay(f.Delay)
	case Copies:
		l.Decide(func(subject string) natsproxy.Fate {
			if !strings.HasPrefix(subject, copies) || rand.Float64() >= f.Share {
				return natsproxy.Pass
			}
			return f.Fates[rand.IntN(len(f.Fates))]
		})
	}
}

// end ends processes, or has them stand still. That one ends with an error, as when it can't
// get rid of what it has, is only noted.
func (h *harm) end(ctx context.Context, all []*child, kills, pauses bool) (undo func() error) {
	for _, c := range all {
		switch {
		case pauses:
			c.pause(true)
		case kills:
			c.kill()
		default:
			if err := c.stop(); err != nil {
				h.note("%v", err)
			}
		}
	}
	if pauses {
		return func() error {
			for _, c := range all {
				c.pause(false)
			}
			return nil
		}
	}
	return func() error { return startAll(ctx, all) }
}

func startAll(ctx context.Context, all []*child) error {
	var starting errgroup.Group
	for _, c := range all {
		starting.Go(func() error { return c.start(ctx) })
	}
	return starting.Wait()
}

// stepDown has the leaders of streams step down. That one has none at the moment is no
// fault.
func (h *harm) stepDown(ctx context.Context, streams []int) {
	for _, i := range streams {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		_, err := h.nc.RequestWithContext(ctx, fmt.Sprint("$JS.API.STREAM.LEADER.STEPDOWN.chat-", i), nil)
		cancel()
		if err != nil {
			h.note("no leader of stream %d steps down: %v", i, err)
		}
	}
}

// restore keeps what the servers have stored, and has the undoing set them back to it.
func (h *harm) restore(ctx context.Context) (undo func() error, err error) {
	h.kept.Store(time.Now().UnixMilli())
	var all []*child
	for _, s := range h.cluster.Servers {
		all = append(all, &s.child)
	}
	// between has all of them down while something is done to what each has stored.
	between := func(do func(*Server) error) (err error) {
		for _, s := range h.cluster.Servers {
			err = errors.Join(err, s.stop())
		}
		for _, s := range h.cluster.Servers {
			err = errors.Join(err, do(s))
		}
		return errors.Join(err, startAll(ctx, all))
	}
	kept := func(s *Server) string { return s.dir + ".kept" }
	err = between(func(s *Server) error { return os.CopyFS(kept(s), os.DirFS(s.dir)) })
	return func() error {
		h.note("the servers are set back now")
		return between(func(s *Server) error {
			h.back.Store(time.Now().UnixMilli())
			if err := os.RemoveAll(s.dir); err != nil {
				return err
			}
			return os.Rename(kept(s), s.dir)
		})
	}, err
}
