package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"chatd/room/order"
)

// Source is an [order.Source], and [order.Nodes]. Its methods may be called by anybody.
type Source struct {
	config      Config
	node        string     // tells what this one published
	nc          *nats.Conn // what is published, copies, and what nodes tell each other
	reads       *nats.Conn // what is read
	js          jetstream.JetStream
	replies     *replies // on reads
	publisher   *publisher
	opener      *opener
	dispatchers []*dispatcher
	partitions  []*partition
	peers       *peers
	counts      *counts
	removals    *removals
	stats       stats
	rebalance   rebalance
	scans       chan struct{} // has an element for each partition that is read as a whole

	ctx     context.Context // ends with the Source
	cancel  context.CancelFunc
	running sync.WaitGroup
	closing sync.Once
	closed  error // by closing: what Close returns

	published atomic.Uint64 // the number of the last publication
	pending   pendings
	blamed    atomic.Int32 // partitions with a fault
	away      atomic.Int64 // since when NATS is not connected, ns since 1970; 0: it is
}

var (
	_ order.Source = (*Source)(nil)
	_ order.Nodes  = (*Source)(nil)
)

// errAway is why a message has no place that waited for one.
var errAway = errors.New("the order's servers take no messages at present")

// errBusy is why a message has no place if very many wait.
var errBusy = errors.New("too many messages wait for the order's servers")

// errClosed is why a message has no place that is published too late.
var errClosed = errors.New("the connection to the order's servers is closed")

// Open connects to NATS, makes the streams that are not there, and returns when all is
// well, or with what is wrong. If NATS is not there it returns when ctx ends: with a
// Source that is not ready, and goes on trying.
func Open(ctx context.Context, c Config) (*Source, error) {
	c = c.withDefaults()
	s := &Source{config: c, node: rand.Text()[:12], scans: make(chan struct{}, scansAtOnce)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.away.Store(time.Now().UnixNano())
	s.pending.init()
	s.publisher = newPublisher(s)
	s.opener = newOpener(s)
	s.counts, s.removals = newCounts(s), newRemovals(s)
	s.peers = newPeers(s)
	for range dispatchers {
		s.dispatchers = append(s.dispatchers, newDispatcher(s))
	}
	for i := range c.Partitions {
		s.partitions = append(s.partitions, newPartition(s, i, s.dispatchers[i%dispatchers]))
	}
	s.blamed.Store(int32(c.Partitions))
	if err := s.connect(); err != nil {
		s.cancel()
		return nil, err
	}
	s.start()
	if err := s.await(ctx); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// start has everybody work.
func (s *Source) start() {
	s.running.Go(s.publisher.run)
	s.running.Go(s.opener.run)
	s.running.Go(s.peers.run)
	for _, d := range s.dispatchers {
		s.running.Go(d.run)
	}
	for _, p := range s.partitions {
		s.running.Go(p.watch)
	}
	s.running.Go(s.tellNodes)
	s.running.Go(s.balance)
}

// await waits until the streams are known to be well, one is known not to be, or ctx
// ends.
func (s *Source) await(ctx context.Context) error {
	for _, p := range s.partitions {
		select {
		case <-p.seen:
			if err := p.wrong(); err != nil {
				return err
			}
		case <-ctx.Done():
			s.config.Log.Warn("NATS is not there, or not ready: going on without it, and trying again", "urls", s.config.urls(), "err", s.Ready())
			return nil
		}
	}
	return nil
}

// Enter implements order.Source.
func (s *Source) Enter(name string, room order.Room) {
	m := newMember(s, name, room)
	d := m.partition.dispatcher
	d.mail.put(func() { d.enter(m) })
}

// Leave implements order.Source.
func (s *Source) Leave(name string) {
	token := toToken.Replace(name)
	p := s.partitionFor(name)
	p.dispatcher.mail.put(func() { p.dispatcher.leave(p, token) })
}

// Forget implements order.Source: the streams' limits do that.
func (s *Source) Forget(string, uint64) {}

// Publish implements order.Source.
func (s *Source) Publish(name string, tag uint64, m order.Message) {
	s.publisher.publish(name, tag, m)
}

// Ready implements order.Source.
func (s *Source) Ready() error {
	now := time.Now()
	if since := s.away.Load(); since != 0 && now.Sub(time.Unix(0, since)) > unreadyAfter {
		return fmt.Errorf("NATS is not connected: %w", s.lastError())
	}
	for _, p := range s.partitions {
		if err := p.ready(now); err != nil {
			return err
		}
	}
	return nil
}

// Close implements order.Source. It takes no longer than a message may wait.
func (s *Source) Close() error {
	s.closing.Do(func() {
		if left := s.publisher.finish(); left > 0 {
			s.closed = fmt.Errorf("%d messages were not kept: %w", left, errAway)
		}
		s.end()
	})
	return s.closed
}

func (s *Source) end() {
	s.cancel()
	s.running.Wait()
	_ = s.nc.Publish(beatSubject, s.counts.farewell()) // or others find out
	_ = s.nc.FlushTimeout(time.Second)
	s.nc.Close()
	s.reads.Close()
}

// partitionFor is the one that a room is in.
func (s *Source) partitionFor(name string) *partition {
	return s.partitions[partitionOf(name, len(s.partitions))]
}
