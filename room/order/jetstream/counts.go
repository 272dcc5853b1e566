package jetstream

import (
	"encoding/json"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Counts are how many members rooms have on all nodes. Each node tells the others, once
// a second, the rooms whose count has changed; one that has missed something, or begins,
// has all told. Who says nothing for a while counts no more.
type Counts struct {
	s *Source

	mu      sync.Mutex
	here    map[string]int
	changed map[string]int // since the last beat
	nodes   map[string]*nodeCounts
	sum     map[string]int // elsewhere
	tell    func(room string, elsewhere int)
	beat    uint64 // the number of this node's last one
	all     bool   // the next one tells all
}

// nodeCounts is what another node has told.
type nodeCounts struct {
	rooms map[string]int
	beat  uint64
	heard time.Time
	whole bool   // all its rooms are known
	at    string // the server that it is connected to
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
	All    bool           `json:"all,omitempty"` // rooms that are not in it, or in those that follow, have no members
	Rooms  map[string]int `json:"rooms,omitempty"`
	Server string         `json:"server,omitempty"` // that it is connected to
}

func newCounts(s *Source) *Counts {
	return &Counts{s: s, here: make(map[string]int), changed: make(map[string]int), nodes: make(map[string]*nodeCounts), sum: make(map[string]int), all: true}
}

// Set says how many members a room has on this node. Anybody may call it.
func (c *Counts) Set(room string, members int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if members == 0 {
		delete(c.here, room)
	} else {
		c.here[room] = members
	}
	c.changed[room] = members
}

// Elsewhere is how many members a room has on other nodes. Anybody may call it.
func (c *Counts) Elsewhere(room string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum[room]
}

// Tell has changed told, from now on, when a room's count elsewhere changes. It is
// called by one goroutine at a time, and must not call Counts.
func (c *Counts) Tell(changed func(room string, elsewhere int)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell = changed
}

// beats are the messages for this second.
func (c *Counts) beats(server string) (messages [][]byte) {
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
		body, err := json.Marshal(b)
		if err != nil {
			continue // can't be: strings and numbers
		}
		messages = append(messages, body)
	}
	return messages
}

// farewell is the last beat: no members are here any more.
func (c *Counts) farewell() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beat++
	body, _ := json.Marshal(beat{Node: c.s.node, Number: c.beat, All: true}) // strings and numbers
	return body
}

// hear takes another node's beat. It reports whether that node has to tell all, because
// something of it was lost.
func (c *Counts) hear(b beat, now time.Time) (lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	node := c.nodes[b.Node]
	if node == nil {
		node = &nodeCounts{rooms: make(map[string]int)}
		c.nodes[b.Node] = node
	}
	node.whole = b.All || node.whole && b.Number == node.beat+1
	node.heard, node.beat, node.at = now, b.Number, b.Server
	if b.All {
		for room, n := range node.rooms {
			if _, still := b.Rooms[room]; !still {
				c.change(room, -n)
				delete(node.rooms, room)
			}
		}
	}
	for room, n := range b.Rooms {
		if by := n - node.rooms[room]; by != 0 {
			node.rooms[room] = n
			c.change(room, by)
		}
		if n == 0 {
			delete(node.rooms, room)
		}
	}
	return !node.whole
}

func (c *Counts) change(room string, by int) {
	n := c.sum[room] + by
	if n == 0 {
		delete(c.sum, room)
	} else {
		c.sum[room] = n
	}
	if c.tell != nil {
		c.tell(room, n)
	}
}

// expire forgets nodes that are silent.
func (c *Counts) expire(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, node := range c.nodes {
		if now.Sub(node.heard) > nodeSilence {
			for room, n := range node.rooms {
				c.change(room, -n)
			}
			delete(c.nodes, name)
		}
	}
}

// tellAll has the next beat tell all.
func (c *Counts) tellAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = true
}

// servers are how many other nodes are connected to each server, and which of them has
// the least name among those at one.
func (c *Counts) servers() (nodes map[string]int, least map[string]string) {
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

// subscribeNodes has what other nodes tell come in.
func (s *Source) subscribeNodes() error {
	for subject, take := range map[string]nats.MsgHandler{
		beatSubject: func(m *nats.Msg) {
			var b beat
			if json.Unmarshal(m.Data, &b) == nil && b.Node != s.node && s.counts.hear(b, time.Now()) {
				_ = s.nc.Publish(beginSubject, []byte(b.Node)) // the next beat shows it again
			}
		},
		beginSubject: func(m *nats.Msg) {
			switch string(m.Data) {
			case "": // a node that begins
				s.counts.tellAll()
				s.removals.again()
			case s.node:
				s.counts.tellAll()
			}
		},
		removeSubject: s.removals.hear,
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
			s.counts.expire(now)
			s.removals.expire(now)
		}
	}
}
