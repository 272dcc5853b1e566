package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"chatd/room/chattest"
)

const (
	mostRooms = 3                      // of a client
	stay      = 12 * time.Second       // of a client at a node, about
	retry     = 300 * time.Millisecond // until it tries another one, at most
	forgets   = 10                     // one of so many that leave comes back as somebody new
	nonces    = 3                      // one of so many messages has none
	longest   = 64                     // bytes that a text is longer than it has to be, at most
)

// client is one who hears and talks. It is at one node after the other: when that ends, or
// now and then by itself, it goes to another one, and on from where it was.
type client struct {
	run   *run
	name  string
	rooms []*room

	// Its reader's.

	random      *rand.Rand
	id, session string

	mu      sync.Mutex // guards what follows
	places  []*place   // one for each room
	past    []*place   // of whom it was before
	open    []*saying  // that may not have arrived
	twice   map[string]bool
	number  int
	forgets bool // it comes back as somebody new
}

// saying is a message with a nonce, that is said until it is heard.
type saying struct {
	Type  string `json:"type"`
	Room  string `json:"room"`
	Text  string `json:"text"`
	Nonce string `json:"nonce,omitempty"`
	again bool   // it was refused
}

func newClient(r *run, number int, random *rand.Rand, rooms []*room) *client {
	c := &client{run: r, name: fmt.Sprint("client-", number), random: random}
	first := number % len(rooms)
	c.rooms = append(c.rooms, rooms[first])
	for _, i := range random.Perm(len(rooms))[:random.IntN(min(mostRooms, len(rooms)))] {
		if i != first {
			c.rooms = append(c.rooms, rooms[i])
		}
	}
	c.anew()
	return c
}

// anew has it be somebody who knows nothing.
func (c *client) anew() {
	c.id, c.session = "", ""
	c.mu.Lock()
	defer c.mu.Unlock()
	c.past = append(c.past, c.places...)
	c.run.court.add("said, and never known of", len(c.open))
	c.places, c.open, c.twice, c.forgets = nil, nil, make(map[string]bool), false
	for _, r := range c.rooms {
		c.places = append(c.places, &place{room: r, who: c.name})
	}
}

// present is its places.
func (c *client) present() []*place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.places
}

// all is its places, and those of whom it was before.
func (c *client) all() []*place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.past, c.places)
}

// unconfirmed is how many messages it does not know of whether they have a place.
func (c *client) unconfirmed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// live connects again and again until ctx ends.
func (c *client) live(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.connect(ctx); err != nil && ctx.Err() == nil {
			c.run.court.count("cut off: " + reason(err))
		}
		c.mu.Lock()
		forgets := c.forgets
		c.mu.Unlock()
		if forgets {
			c.anew()
		}
		sleep(ctx, time.Duration(c.random.Int64N(int64(retry))))
	}
}

// reason is why a connection ended, or there is none, without what differs each time.
func reason(err error) string {
	var refused chattest.Refused
	switch code := chattest.Closed(err); {
	case errors.As(err, &refused):
		return refused.Error()
	case code == 1006: // what gorilla calls an end without a code
		return "without a code"
	case code != 0:
		return fmt.Sprint("closed with ", code)
	case errors.Is(err, errRefusedJoin):
		return err.Error()
	case chattest.TimedOut(err):
		return "nothing comes"
	}
	return "by the network"
}

var errRefusedJoin = errors.New("a join is refused")

// connect is at one node until that connection ends.
func (c *client) connect(ctx context.Context) error {
	places := c.present()
	node := c.run.cluster.Nodes[c.random.IntN(len(c.run.cluster.Nodes))]
	conn, err := chattest.Dial(node.Addr, chattest.Options{
		Room: places[0].room.name, Name: c.name, Since: places[0].position(), Session: c.session,
	})
	if err != nil {
		return err
	}
	c.run.court.count("connections")
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	c.id, c.session = conn.Welcome.ID, conn.Welcome.Session
	places[0].join(conn.Welcome)
	for _, p := range places[1:] {
		if err := conn.Send(map[string]string{"type": "join", "room": p.room.name, "since": p.position()}); err != nil {
			return err
		}
	}
	talking, hush := context.WithCancel(ctx)
	var talk sync.WaitGroup
	talk.Go(func() { c.talk(talking, conn) })
	defer talk.Wait()
	defer hush()
	defer func() {
		for _, p := range places {
			p.cut()
		}
	}()
	for {
		_, b, err := conn.Message()
		if err != nil {
			return err
		}
		e := new(chattest.Event)
		if err := json.Unmarshal(b, e); err != nil {
			c.run.court.rule("%s: no event: %.200q", c.name, b)
			return nil
		}
		if err := c.take(e); err != nil {
			return err
		}
	}
}

// take takes in an event.
func (c *client) take(e *chattest.Event) error {
	i := slices.IndexFunc(c.rooms, func(r *room) bool { return r.name == e.Room })
	if i < 0 && e.Type != "error" {
		c.run.court.rule("%s: an event of a room in which it is not: %+v", c.name, e)
		return nil
	}
	switch e.Type {
	case "joined":
		c.places[i].join(e)
	case "gap":
		c.places[i].miss(e)
	case "say":
		c.places[i].hear(e, c.confirm(e))
	case "error":
		c.run.court.count("refused: " + e.Code)
		if e.Nonce == "" { // it may also be one of those that have none
			return errRefusedJoin
		}
		c.refused(e.Nonce)
	}
	return nil
}

// confirm takes in that a message has its place, and reports whether the client has said
// it more than once.
func (c *client) confirm(e *chattest.Event) (again bool) {
	if e.ID != c.id || e.Nonce == "" {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = slices.DeleteFunc(c.open, func(s *saying) bool { return s.Nonce == e.Nonce })
	return c.twice[e.Nonce]
}

func (c *client) refused(nonce string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.open {
		if s.Nonce == nonce {
			s.again = true
		}
	}
}

// talk says something now and then: what may not have arrived first.
func (c *client) talk(ctx context.Context, conn *chattest.Conn) {
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	if c.sayAgain(conn, func(*saying) bool { return true }) != nil {
		return // its reader finds out
	}
	pause := c.run.options.pause()
	for sleep(ctx, time.Duration((0.5+random.Float64())*float64(pause))) {
		if c.sayAgain(conn, func(s *saying) bool { return s.again }) != nil {
			return
		}
		if !c.run.talking.Load() {
			continue
		}
		if conn.Send(c.compose(random)) != nil {
			return
		}
		if random.Float64() < pause.Seconds()/stay.Seconds() {
			if random.IntN(forgets) == 0 {
				c.mu.Lock()
				c.forgets = true
				c.mu.Unlock()
			}
			c.run.court.count("left by themselves")
			conn.Cut()
			return
		}
	}
}

// sayAgain says those that are to be said again.
func (c *client) sayAgain(conn *chattest.Conn, which func(*saying) bool) error {
	c.mu.Lock()
	var all []saying
	for _, s := range c.open {
		if which(s) {
			s.again = false
			c.twice[s.Nonce] = true
			all = append(all, *s)
		}
	}
	c.mu.Unlock()
	c.run.court.add("said again", len(all))
	for i := range all {
		if err := conn.Send(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

// compose makes a message that was never said.
func (c *client) compose(random *rand.Rand) saying {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.number++
	nonce := fmt.Sprint(c.name, ".", c.number)
	s := &saying{Type: "say", Room: c.rooms[random.IntN(len(c.rooms))].name, Text: nonce + strings.Repeat(" .", random.IntN(longest/2))}
	c.run.court.count("said")
	if random.IntN(nonces) > 0 {
		s.Nonce = nonce
		c.open = append(c.open, s)
	} else {
		c.run.court.count("said without a nonce")
	}
	return *s
}
