package jetstream

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// counts are how many members rooms have on all nodes. Each node tells the others, once
// a second, the rooms whose count has changed; one that has missed something, or begins,
// has all told. Who says nothing for a while counts no more.
type counts struct {
	s *Source

	mu      sync.Mutex
	here    map[string]int
	changed map[string]int // since the last beat
	nodes   map[string]*nodeCounts
	sum     map[string]int // elsewhere
	tell    func(room string)
	beat    uint64 // the number of this node's last one
	all     bool   // the next one tells all
}

// nodeCounts is what another node has told.
type nodeCounts struct {
	rooms map[string]int
	beat  uint64
	heard time.Time
	whole bool           // all its rooms are known
	stale map[string]int // those that it has not told again since it began to tell all
	at    string         // the server that it is connected to
}

// Beats.
const (
	beatInterval = time.Second
	nodeSilence  = 5 * time.Second // after which it counts no more
	roomsABeat   = 2000            // more go into further messages
)

// Subjects on which nodes tell each other.
const (
	beatSubject   = "n.beat"
	beginSubject  = "n.begin" // who sends this wants to be told all
	removeSubject = "n.remove"
)

// beat is what a node tells once a second. A room without members is told with 0.
type beat struct {
	Node   string         `json:"node"`
	Number uint64         `json:"number"`
	All    bool           `json:"all,omitempty"`  // rooms that are not in it, or in those that follow, have no members
	More   bool           `json:"more,omitempty"` // the next one belongs to it
	Rooms  map[string]int `json:"rooms,omitempty"`
	Server string         `json:"server,omitempty"` // that it is connected to
}

// credible reports whether a node may have told that. What it tells is kept as long as it
// tells something, so it must not be anything.
func (b beat) credible() bool {
	for room, n := range b.Rooms {
		if len(room) > maxRoom || n < 0 || n > maxMembers {
			return false
		}
	}
	return b.Node != "" && len(b.Node) <= maxNode
}

// What a node may tell.
const (
	maxMembers = 1 << 30
	maxNode    = 64 // bytes of its name
	maxRoom    = 64
)

func newCounts(s *Source) *counts {
	return &counts{s: s, here: make(map[string]int), changed: make(map[string]int), nodes: make(map[string]*nodeCounts), sum: make(map[string]int), all: true}
}

// Count implements order.Nodes.
func (s *Source) Count(room string, members int) {
	c := s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	if members == 0 {
		delete(c.here, room)
	} else {
		c.here[room] = members
	}
	c.changed[room] = members
}

// Elsewhere implements order.Nodes.
func (s *Source) Elsewhere(room string) int {
	c := s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum[room]
}

// begin has told, from now on, of which room the count elsewhere changes: all that are
// known have.
func (c *counts) begin(tell func(room string)) {
	c.mu.Lock()
	c.tell = tell
	known := slices.Collect(maps.Keys(c.sum))
	c.mu.Unlock()
	c.report(known)
}

// report tells of rooms whose count elsewhere has changed. They may be many: nobody has to
// wait for it who counts.
func (c *counts) report(rooms []string) {
	c.mu.Lock()
	tell := c.tell
	c.mu.Unlock()
	if tell == nil {
		return
	}
	for _, room := range rooms {
		tell(room)
	}
}

// beats are the messages for this second.
func (c *counts) beats(server string) (messages [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rooms, all := c.changed, c.all
	if all {
		rooms = maps.Clone(c.here)
	}
	c.changed, c.all = make(map[string]int), false
	for first := true; first || len(rooms) > 0; first = false {
		c.beat++
		b := beat{Node: c.s.node, Number: c.beat, All: all && first, Server: server, Rooms: make(map[string]int)}
		for room, n := range rooms {
			if len(b.Rooms) == roomsABeat {
				break
			}
			b.Rooms[room] = n
			delete(rooms, room)
		}
		b.More = len(rooms) > 0
		body, err := json.Marshal(b)
		if err != nil {
			continue // can't be: strings and numbers
		}
		messages = append(messages, body)
	}
	return messages
}

// farewell is the last beat: no members are here any more.
func (c *counts) farewell() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beat++
	body, _ := json.Marshal(beat{Node: c.s.node, Number: c.beat, All: true}) // strings and numbers
	return body
}

// hear takes another node's beat. It returns the rooms whose count has changed, and
// whether that node has to tell all, because something of it was lost.
func (c *counts) hear(b beat, now time.Time) (changed []string, lost bool) {
	if !b.credible() {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	node := c.nodes[b.Node]
	if node == nil {
		node = &nodeCounts{rooms: make(map[string]int)}
		c.nodes[b.Node] = node
	}
	node.whole = b.All || node.whole && b.Number == node.beat+1
	node.heard, node.beat, node.at = now, b.Number, b.Server
	switch {
	case b.All:
		node.stale = maps.Clone(node.rooms)
	case !node.whole:
		node.stale = nil // what is missing may have told them
	}
	for room, n := range b.Rooms {
		delete(node.stale, room)
		if by := n - node.rooms[room]; by != 0 {
			node.rooms[room] = n
			c.change(room, by)
			changed = append(changed, room)
		}
		if n == 0 {
			delete(node.rooms, room)
		}
	}
	if !b.More {
		for room, n := range node.stale {
			c.change(room, -n)
			changed = append(changed, room)
			delete(node.rooms, room)
		}
		node.stale = nil
	}
	return changed, !node.whole
}

func (c *counts) change(room string, by int) {
	n := c.sum[room] + by
	if n == 0 {
		delete(c.sum, room)
	} else {
		c.sum[room] = n
	}
}

// expire forgets nodes that are silent, and returns the rooms whose count has changed.
func (c *counts) expire(now time.Time) (changed []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, node := range c.nodes {
		if now.Sub(node.heard) > nodeSilence {
			for room, n := range node.rooms {
				c.change(room, -n)
				changed = append(changed, room)
			}
			delete(c.nodes, name)
		}
	}
	return changed
}

// tellAll has the next beat tell all.
func (c *counts) tellAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = true
}

// others is how many other nodes are heard.
func (c *counts) others() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.nodes)
}

// servers are how many other nodes are connected to each server, and which of them has
// the least name among those at one.
func (c *counts) servers() (nodes map[string]int, least map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	nodes, least = make(map[string]int), make(map[string]string)
	for name, node := range c.nodes {
		nodes[node.at]++
		if l := least[node.at]; l == "" || name < l {
			least[node.at] = name
		}
	}
	return nodes, least
}

// Tell implements order.Nodes.
func (s *Source) Tell(counted func(room string), removed func(room, id string, ban time.Duration)) {
	s.counts.begin(counted)
	s.removals.begin(removed)
}

// subscribeNodes has what other nodes tell come in.
func (s *Source) subscribeNodes() error {
	for subject, take := range map[string]nats.MsgHandler{
		beatSubject: func(m *nats.Msg) {
			var b beat
			if json.Unmarshal(m.Data, &b) != nil || b.Node == s.node {
				return
			}
			changed, lost := s.counts.hear(b, time.Now())
			s.counts.report(changed)
			if lost {
				_ = s.nc.Publish(beginSubject, []byte(b.Node)) // the next beat shows it again
			}
		},
		beginSubject: func(m *nats.Msg) {
			switch string(m.Data) {
			case "", s.node: // a node that begins, or has missed something of this one
				s.counts.tellAll()
				s.removals.tellAll()
			}
		},
		removeSubject: func(m *nats.Msg) {
			var told removalsTold
			if json.Unmarshal(m.Data, &told) == nil && told.Node != s.node {
				s.removals.hear(told, time.Now())
			}
		},
	} {
		if _, err := s.nc.Subscribe(subject, take); err != nil {
			return err
		}
	}
	return nil
}

// tellNodes is the goroutine that tells other nodes what changes here.
func (s *Source) tellNodes() {
	ticker := time.NewTicker(beatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-ticker.C:
			for _, body := range s.counts.beats(s.nc.ConnectedServerId()) {
				if s.nc.Publish(beatSubject, body) != nil {
					s.counts.tellAll()
				}
			}
			for _, body := range s.removals.messages(now) {
				if s.nc.Publish(removeSubject, body) != nil {
					s.removals.tellAll()
				}
			}
			s.counts.report(s.counts.expire(now))
		}
	}
}
