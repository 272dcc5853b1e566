package room

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"chatd/poller"
	"chatd/room/framelog"
)

// question is something that is done on an owner's Task, where what the owner
// owns can be looked at.
type question struct {
	task *poller.Task
	what func()
	done chan struct{}
}

// inspector asks one question at a time, so that owners, of which there may be
// very many, need no place for it.
type inspector struct {
	turn  chan struct{} // has room for the one who asks
	asked atomic.Pointer[question]
}

// ask has what done on the Task t. When ctx ends first it returns ctx's error,
// and what is not done.
func (y *inspector) ask(ctx context.Context, t *poller.Task, what func()) error {
	select {
	case y.turn <- struct{}{}:
		defer func() { <-y.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	q := &question{t, what, make(chan struct{})}
	y.asked.Store(q)
	t.Schedule()
	select {
	case <-q.done:
		return nil
	case <-ctx.Done():
		if y.asked.CompareAndSwap(q, nil) {
			return ctx.Err()
		}
		<-q.done
		return nil
	}
}

// answer does what t was asked for. Keepers call it when all they own is in
// order.
func (y *inspector) answer(t *poller.Task) {
	if q := y.asked.Load(); q != nil && q.task == t && y.asked.CompareAndSwap(q, nil) {
		defer close(q.done) // should it panic, too
		q.what()
	}
}

// ConnInfo is what is known of a connection.
type ConnInfo struct {
	FD         int32          `json:"fd"`
	Source     netip.AddrPort `json:"source"`
	State      string         `json:"state"` // handshake, lingering, closed, ready, lagging or leaving
	Rooms      []string       `json:"rooms"`
	Dialect    string         `json:"dialect,omitempty"` // of a member: raw, chat.v1 or events
	ID         string         `json:"id,omitempty"`      // of a chat client, or as its token says
	Name       string         `json:"name,omitempty"`    // that it has now
	Age        float64        `json:"age_seconds"`
	Lag        int            `json:"lag"`       // messages that wait for it
	BytesIn    uint64         `json:"bytes_in"`  // as the kernel counts
	BytesOut   uint64         `json:"bytes_out"` // those that its peer has acknowledged
	Compressed bool           `json:"compressed"`
	TLS        bool           `json:"tls"`
}

// window is a part of a list that several owners have.
type window struct {
	skip, limit int
	rows        []ConnInfo
}

// take reports which of an owner's n connections are in the window.
func (p *window) take(n int) (from, to int) {
	from = min(p.skip, n)
	to = min(n, from+p.limit-len(p.rows))
	p.skip -= from
	return from, to
}

// Connections is up to limit connections, without the first ones, and how many
// there are in all, but for those that ask for pages. The order changes when
// connections come and go. A shard that has none in the window is not asked: in a
// busy one, that takes as long as a pass.
func (s *Server) Connections(ctx context.Context, first, limit int) (rows []ConnInfo, total int, err error) {
	p := &window{skip: first, limit: limit}
	pc := &s.pending
	if err := s.ask(ctx, &pc.Task, func() { total = len(pc.list); pc.fill(p) }); err != nil {
		return nil, 0, err
	}
	for _, sh := range s.shards.all() {
		n := int(sh.population.Load())
		total += n
		if p.skip >= n || len(p.rows) == limit {
			p.take(n)
			continue
		}
		if err := s.ask(ctx, &sh.Task, func() { sh.fill(p) }); err != nil {
			return nil, 0, err
		}
	}
	return p.rows, total, nil
}

// Disconnects is the last clients that were refused or sent away, the newest first.
func (s *Server) Disconnects() []Disconnect { return s.disconnects.last() }

// info is what its owner knows of c.
func (c *client) info(state string, rooms []string, lag int) ConnInfo {
	in, out := c.Traffic()
	age := time.Duration(c.server.now.Load()-c.born) * TickInterval
	return ConnInfo{
		FD: c.FD(), Source: c.peer(), State: state, Rooms: rooms, Age: age.Seconds(), Lag: lag,
		BytesIn: in, BytesOut: out, Compressed: c.has(statusDeflate), TLS: c.has(statusTLS),
	}
}

// fill adds those that are in no room. Their sockets are the sessions', who may
// close them at any time: of one that is closed now, nothing is known.
func (pc *pendingConns) fill(p *window) {
	from, to := p.take(len(pc.list))
	for i, g := range pc.list[from:to] {
		state := "handshake"
		if from+i >= int(pc.handshakes.Load()) {
			state = "lingering"
		}
		row := g.c.info(state, nil, 0)
		if g.c.has(statusClosed) {
			row = ConnInfo{FD: -1, State: "closed", Age: row.Age}
		}
		p.rows = append(p.rows, row)
	}
}

// fill adds the shard's connections. One that is in several rooms counts in the
// first.
func (s *shard) fill(p *window) {
	for _, r := range s.list {
		from, to := p.take(len(r.ready))
		for _, c := range r.ready[from:to] {
			if c.roster.Load() == r {
				p.rows = append(p.rows, s.info(c, "ready", 0))
			}
		}
	}
	from, to := p.take(len(s.lagging))
	for _, o := range s.lagging[from:to] {
		state, lag := "lagging", s.waiting(o.c)
		if o.left {
			state, lag = "leaving", int(o.owed)
		}
		p.rows = append(p.rows, s.info(o.c, state, lag))
	}
}

// info is what is known of one of its connections.
func (s *shard) info(c *client, state string, lag int) ConnInfo {
	row := c.info(state, s.roomNames(c), lag)
	row.Dialect = c.stream().String()
	row.ID, row.Name = c.who()
	return row
}

// roomNames are those of the rooms that c is in.
func (s *shard) roomNames(c *client) (names []string) {
	s.eachRoom(c, func(r *roster) {
		if r.hub != nil {
			names = append(names, r.hub.name)
		}
	})
	return names
}

// Alive returns when the directory has answered, which shows that workers work.
func (s *Server) Alive(ctx context.Context) error {
	return s.ask(ctx, &s.directory.Task, func() {})
}

// LogSize is how many segments of the rooms' logs, and bytes of memory, members
// have yet to read. Shards are asked for it: in rooms that are very busy that
// takes its time.
func (s *Server) LogSize(ctx context.Context) (segments, bytes int, err error) {
	logs := make(map[logOf]extent)
	for _, sh := range s.shards.all() {
		if err := s.ask(ctx, &sh.Task, func() { sh.extents(logs) }); err != nil {
			return 0, 0, err
		}
	}
	for _, e := range logs {
		segments += e.segments
		bytes += e.bytes
	}
	return segments, bytes, nil
}

// logOf tells a room's logs apart.
type logOf struct {
	hub    *hub
	stream stream
}

// extent is how much of a log its readers hold.
type extent struct{ segments, bytes int }

// extents adds what the shard's members hold of their rooms' logs.
func (s *shard) extents(logs map[logOf]extent) {
	include := func(r *roster, at framelog.Cursor) {
		if p, _ := at.Next(); len(p.Bytes) == 0 {
			return // what it holds, if anything, is the room's history
		}
		if segments, bytes := at.Extent(); segments > 0 {
			key := logOf{r.hub, r.stream}
			e := logs[key]
			logs[key] = extent{max(e.segments, segments), max(e.bytes, bytes)}
		}
	}
	for _, r := range s.list {
		if r.hub != nil {
			include(r, r.pos)
		}
	}
	for _, o := range s.lagging {
		for _, at := range o.readers {
			include(at.roster, at.at)
		}
	}
}
