package room

import (
	"context"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/frame"
	"chatd/room/handshake"
)

// Path is where the WebSocket is served.
const Path = "/ws"

// TickInterval is how often [Server.Tick] should be called: the grain of all
// timeouts.
const TickInterval = 100 * time.Millisecond

// lingerTimeout is how long a socket stays open for its peer to hang up.
const lingerTimeout = 2 * time.Second

// The close frames that the server sends on its own (RFC 6455 §7.4.1).
var (
	goingAway    = frame.AppendClose(nil, ws.StatusGoingAway, "server is going away")
	slowConsumer = frame.AppendClose(nil, 1013, "too slow: queue overflowed") // 1013: try again later
)

// Config is what a Server needs to know. The zero value is not useful.
type Config struct {
	Queue            int           // messages that may wait for one client
	MaxMessage       int           // bytes of a message, over all its fragments
	HandshakeTimeout time.Duration // for the whole HTTP head
	DrainTimeout     time.Duration // for what is queued when a client leaves
	PingInterval     time.Duration // silence after which a client is pinged; 0: never
	MaxConns         int           // connections at a time; 0: no limit
	AllowOrigin      []string      // origins that may connect besides the same one
	Page             http.Handler  // answers every request that is not for Path
	Log              *slog.Logger
}

// The stages of a server's life.
const (
	serving  uint32 = iota
	draining        // everybody is sent away
	aborting        // everybody is cut off
)

// Server is the chat: it takes accepted sockets and does everything up to
// their close. It implements [poller.Acceptor].
//
// Config and what New makes are static; the rest are atomics.
type Server struct {
	config    Config
	pool      *poller.Pool
	poller    *poller.Poller
	handshake *handshake.Handshake
	pingTicks uint32 // Config.PingInterval; 0: never
	shardSize int32  // members of a shard
	stepSize  int    // writes of a step
	lobby     lobby
	hub       hub
	web       *web

	now   atomic.Uint32 // ticks since the start; written by Tick
	stage atomic.Uint32
	stats counters
	freed func()        // called after a connection was closed
	empty chan struct{} // closed, once in a life, when draining and no connection is left
	once  sync.Once     // closes empty
}

type counters struct {
	conns, members           atomic.Int64
	refused, dropped, silent atomic.Uint64
}

// Stats is a snapshot of a server's counters.
type Stats struct {
	Conns   int64  // open connections
	Members int64  // those in the room
	Refused uint64 // connections whose handshake failed
	Dropped uint64 // members whose queue overflowed
	Silent  uint64 // members that did not answer a ping
}

// New makes a server that runs on pool and poller. Freed is called whenever a
// connection has been closed.
func New(config Config, pool *poller.Pool, p *poller.Poller, freed func()) *Server {
	s := &Server{
		config:    config,
		pool:      pool,
		poller:    p,
		handshake: &handshake.Handshake{Path: Path, AllowOrigin: config.AllowOrigin},
		pingTicks: ticks(config.PingInterval),
		shardSize: shardSize,
		stepSize:  poller.FanoutMax,
		freed:     freed,
		empty:     make(chan struct{}),
	}
	s.lobby.init(s)
	s.hub.init(s)
	s.web = newWeb(s)
	return s
}

// Admit implements poller.Acceptor.
func (s *Server) Admit() bool {
	return s.config.MaxConns == 0 || s.stats.conns.Load() < int64(s.config.MaxConns)
}

// Accept implements poller.Acceptor.
func (s *Server) Accept(w *poller.Worker, fd int) {
	s.stats.conns.Add(1)
	s.adopt(w, fd, nil)
}

// adopt takes over the socket fd, from which head has been read. The caller
// need not be on a worker; w is then nil.
func (s *Server) adopt(w *poller.Worker, fd int, head []byte) {
	c := &client{server: s, slot: -1, back: head != nil}
	c.setUnread(head)
	c.heard.Store(s.now.Load())
	c.Attach(fd, s.pool, c)
	s.lobby.signal(w, c, eventHandshake)
	c.ScheduleOn(w)
}

// Tick moves the server's clock on by one TickInterval.
func (s *Server) Tick() {
	s.now.Add(1)
	s.lobby.Schedule()
	s.hub.Schedule()
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	return Stats{
		Conns:   s.stats.conns.Load(),
		Members: s.stats.members.Load(),
		Refused: s.stats.refused.Load(),
		Dropped: s.stats.dropped.Load(),
		Silent:  s.stats.silent.Load(),
	}
}

// Shutdown sends everybody away with close code 1001, behind what is queued
// for them, and waits until they are gone. When ctx ends first it cuts off the
// rest and returns ctx's error. The listener must have been closed.
func (s *Server) Shutdown(ctx context.Context) error {
	s.enter(draining)
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
	return err
}

func (s *Server) enter(stage uint32) {
	s.stage.Store(stage)
	s.lobby.Schedule()
	s.hub.Schedule()
	s.checkEmpty()
}

func (s *Server) checkEmpty() {
	if s.stats.conns.Load() == 0 && s.stage.Load() != serving {
		s.once.Do(func() { close(s.empty) })
	}
}

// closed counts a connection that is closed.
func (s *Server) closed() {
	s.stats.conns.Add(-1)
	s.checkEmpty()
	s.freed()
}

// refused counts a connection whose handshake failed.
func (s *Server) refused(c *client, reason string) {
	s.stats.refused.Add(1)
	s.config.Log.Debug("handshake refused", "reason", reason, "fd", c.FD())
}

// dropped counts a member whose queue overflowed when the log was at seq.
func (s *Server) dropped(c *client, seq uint64) {
	s.config.Log.Debug("client dropped", "reason", "queue overflowed", "fd", c.FD(), "seq", seq)
	s.stats.dropped.Add(1)
}

// vanished counts a member that did not answer.
func (s *Server) vanished(c *client) {
	s.stats.silent.Add(1)
	s.config.Log.Debug("client dropped", "reason", "no answer to ping", "fd", c.FD())
}

// ticks is d in ticks, rounded up.
func ticks(d time.Duration) uint32 {
	return uint32((d + TickInterval - 1) / TickInterval)
}

// after is the first tick at which at least d will have passed.
func (s *Server) after(d time.Duration) uint32 { return s.now.Load() + ticks(d) + 1 }

// afterPing is the tick of the keep-alive sweep that follows the one at swept.
func (s *Server) afterPing(swept uint32) uint32 {
	if s.pingTicks == 0 {
		return math.MaxUint32
	}
	return swept + max(1, s.pingTicks/8)
}
