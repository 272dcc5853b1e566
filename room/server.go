package room

import (
	"cmp"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"chatd/poller"
	"chatd/room/chat"
	"chatd/room/frame"
	"chatd/room/handshake"
	"chatd/room/identity"
)

// The stages of a server's life.
const (
	serving  uint32 = iota
	draining        // members are sent away bit by bit
	closing         // everybody is sent away
	aborting        // everybody is cut off
)

// Server is the chat: it takes accepted sockets and does everything up to
// their close. It implements [poller.Acceptor].
//
// Config and what New makes are static; the rest are atomics, or say who owns
// them.
type Server struct {
	config    Config
	pool      *poller.Pool
	poller    *poller.Poller
	handshake *handshake.Handshake
	rules     frame.Rules
	rates     rates
	times     times
	shardSize int32        // connections of a shard
	stepSize  int          // writes of a step
	slice     int          // events of a kind that a shard deals with between two passes
	stretch   int          // bytes that it writes to one client before others have a turn
	record    int          // bytes of a record of TLS, 0: as many as may be
	clock     func() int64 // ms since 1970
	pending   pendingConns
	directory directory
	shards    shards
	flusher   flusher
	web       *web

	ticking  sync.Mutex                    // held by Tick, and while the server is frozen
	still    atomic.Bool                   // sessions read nothing, see Freeze
	halted   poller.Inbox[parked, *parked] // those that would have
	now      atomic.Uint32                 // ticks since the start; written by Tick
	date     date                          // of answers; written by Tick
	stage    atomic.Uint32
	drainTo  atomic.Uint32 // the tick at which draining ends; set before the stage
	conns    atomic.Int64
	members  atomic.Int64
	counters workerCounters
	tls      secureCounters
	refusals
	disconnects disconnects
	inspector
	sources sources
	bans    bans

	paused poller.Inbox[paused, *paused] // sessions that may not read for a while
	pauses []*paused                     // the same, once Tick has seen them; Tick's

	freed func()        // called after a connection was closed
	empty chan struct{} // closed, once in a life, when going away and no connection is left
	once  sync.Once     // closes empty
}

// paused is a session that reads on at a certain tick.
type paused struct {
	link  *paused
	c     *client
	until uint32
}

// Link implements the inbox's element.
func (p *paused) Link() **paused { return &p.link }

// New makes a server that runs on pool and poller. Freed is called whenever a
// connection has been closed.
func New(config Config, pool *poller.Pool, p *poller.Poller, freed func()) *Server {
	s := &Server{poller: p, freed: freed}
	s.init(config, pool)
	s.web = newWeb(s)
	s.flusher.start()
	s.joinNodes()
	return s
}

func (s *Server) init(config Config, pool *poller.Pool) {
	config.MaxHead = cmp.Or(config.MaxHead, handshake.DefaultMaxHead)
	if config.Secrets == nil {
		config.Secrets = identity.New()
	}
	s.config = config
	s.pool = pool
	s.handshake = &handshake.Handshake{Path: Path, RoomsPath: RoomsPath, Rooms: set(config.Rooms), AllowOrigin: config.AllowOrigin, Subprotocols: append([]string{chat.Protocol}, config.Subprotocols...), MaxHead: config.MaxHead, Compress: config.Compress}
	s.date.set(time.Now())
	s.rules = frame.Rules{MaxMessage: config.MaxMessage, MaxFragments: config.MaxFragments}
	s.rates = rates{limitMessages: config.RateMessages, limitBytes: config.RateBytes, limitControls: config.RateControls}
	s.times = timesOf(config)
	s.shardSize, s.stepSize = shardSize, poller.FanoutMax
	s.slice, s.stretch = eventSlice, stretch
	s.clock = func() int64 { return time.Now().UnixMilli() }
	s.counters = newWorkerCounters(pool)
	s.tls = newSecureCounters()
	s.refusals = newRefusals()
	s.empty = make(chan struct{})
	s.turn = make(chan struct{}, 1)
	s.pending.init(s)
	s.directory.init(s)
	s.flusher.init(s)
}

// set is nil if there are no names.
func set(names []string) map[string]bool {
	var all map[string]bool
	for _, name := range names {
		if all == nil {
			all = make(map[string]bool)
		}
		all[name] = true
	}
	return all
}

// Admit implements poller.Acceptor.
func (s *Server) Admit() bool {
	return s.config.MaxConns == 0 || s.conns.Load() < int64(s.config.MaxConns)
}

// Accept implements poller.Acceptor.
func (s *Server) Accept(w *poller.Worker, fd int) {
	s.conns.Add(1)
	s.counters.of(w).accepted.Add(1)
	s.adopt(w, fd, new(client), nil, -1)
}

// Secure is the Acceptor for a listener that speaks TLS.
func (s *Server) Secure() poller.Acceptor { return secureSide{s} }

// secureSide is a Server's side to those who speak TLS.
type secureSide struct{ *Server }

// Accept implements poller.Acceptor.
func (s secureSide) Accept(w *poller.Worker, fd int) {
	s.conns.Add(1)
	s.counters.of(w).accepted.Add(1)
	s.adopt(w, fd, newSecure(), nil, -1)
}

// adopt takes over the socket fd for c, which is new; from one that comes back from
// net/http head has been read, and its place in sources is source. The caller need not
// be on a worker; w is then nil.
func (s *Server) adopt(w *poller.Worker, fd int, c *client, head []byte, source int32) {
	now := s.now.Load()
	c.server, c.slot, c.born = s, -1, now
	c.source.Store(source)
	c.setUnread(head)
	c.heard.Store(now)
	c.spoke.Store(now)
	c.Attach(fd, s.pool, c)
	if head != nil {
		c.cameBack()
	} else if !c.arrived() {
		c.status.Or(statusRefused)
	}
	s.pending.signal(w, c, eventHandshake)
	c.ScheduleOn(w)
}

// Tick moves the server's clock on by one TickInterval. It must not be called
// by two at a time.
func (s *Server) Tick() {
	s.ticking.Lock()
	defer s.ticking.Unlock()
	now := s.now.Add(1)
	s.date.set(time.Now())
	s.resumePaused(now)
	if s.stage.Load() == draining && now >= s.drainTo.Load() {
		s.enter(closing)
	}
	if now%ticksPerSecond == 0 {
		s.disconnects.report(s.config.Log)
	}
	away := s.Draining()
	if away || now >= s.pending.due.Load() {
		s.pending.Schedule()
	}
	if now%ticksPerSecond == 0 || s.directory.waited.Load() {
		s.directory.Schedule()
	}
	for _, sh := range s.shards.all() {
		if away || now >= sh.due.Load() {
			sh.Schedule()
		}
	}
}

// resumePaused has sessions go on whose pause is over.
func (s *Server) resumePaused(now uint32) {
	for p := s.paused.TakeAll(); p != nil; p = p.link {
		s.pauses = append(s.pauses, p)
	}
	kept := s.pauses[:0]
	for _, p := range s.pauses {
		switch {
		case p.c.has(statusClosed):
		case now >= p.until:
			p.c.Schedule()
		default:
			kept = append(kept, p)
		}
	}
	clear(s.pauses[len(kept):])
	s.pauses = kept
}

// Unavailable says why what is published can't have its place; nil: it can.
func (s *Server) Unavailable() error {
	if s.config.Order == nil {
		return nil
	}
	return s.config.Order.Ready()
}

// Conns is the number of open connections.
func (s *Server) Conns() int64 { return s.conns.Load() }

// Shutdown sends everybody away with close code 1001, behind what is queued
// for them, spread over Config.DrainSpread, and waits until they are gone.
// When ctx ends first it cuts off the rest and returns ctx's error. The
// listener must have been closed.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.config.DrainSpread > 0 {
		s.spread()
	} else {
		s.enter(closing)
	}
	webDone := make(chan struct{}) // closed, once in a life
	go func() {
		defer close(webDone)
		_ = s.web.shutdown(ctx) // ctx's error, which is returned below
	}()
	var err error
	select {
	case <-s.empty:
	case <-ctx.Done():
		err = ctx.Err()
		s.enter(aborting)
		<-s.empty
	}
	<-webDone
	s.flusher.stop()
	s.disconnects.report(s.config.Log)
	return err
}

// spread begins to send everybody away bit by bit.
func (s *Server) spread() {
	s.drainTo.Store(s.now.Load() + within(s.config.DrainSpread))
	s.enter(draining)
}

// Draining reports whether the server is going away.
func (s *Server) Draining() bool { return s.stage.Load() != serving }

// enter goes on to a later stage, or does nothing.
func (s *Server) enter(stage uint32) {
	for now := s.stage.Load(); now < stage; now = s.stage.Load() {
		s.stage.CompareAndSwap(now, stage)
	}
	s.pending.Schedule()
	s.directory.Schedule()
	for _, sh := range s.shards.all() {
		sh.Schedule()
	}
	s.checkEmpty()
}

func (s *Server) checkEmpty() {
	if s.conns.Load() == 0 && s.stage.Load() != serving {
		s.once.Do(func() { close(s.empty) })
	}
}

// closed counts a connection that is closed.
func (s *Server) closed(source int32) {
	s.sources.leave(source)
	s.conns.Add(-1)
	s.checkEmpty()
	s.freed()
}

// logged is how many MiB of messages have been published.
func (s *Server) logged() uint32 {
	return uint32(s.counters.sum(func(t *counters) *atomic.Uint64 { return &t.logged }) >> 20)
}
