package chattest

import (
	"encoding/json"
	"fmt"
	"sync"
)

// Event is an event of the server, of whatever type: the members that it does not
// have are zero.
type Event struct {
	Type, Room string

	ID, Session, Name string
	Epoch             string
	Seq               uint64
	Resumed           bool
	Members           Members
	Retry             struct {
		Min int `json:"min_ms"`
		Max int `json:"max_ms"`
	}
	Limits struct{ Message, Name, Rooms int }

	From, To uint64
	Why      string

	At         int64
	Text, Data *string
	Nonce      string

	Count int

	Code, Message string
}

// Members is how many there are, or those that who tells.
type Members struct {
	Count int
	List  []Member
}

// Member is one who is in a room.
type Member struct{ ID, Name string }

// UnmarshalJSON implements json.Unmarshaler.
func (m *Members) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, &m.List)
	}
	return json.Unmarshal(b, &m.Count)
}

// Said is what a say says, to compare: a text, or data as it came.
func (e *Event) Said() string {
	switch {
	case e.Text != nil:
		return "text " + *e.Text
	case e.Data != nil:
		return "data " + *e.Data
	}
	return ""
}

// read are the events that came, by their bytes: the members of a room all get
// the same ones, which are judged once.
var read = struct {
	sync.RWMutex
	events map[string]*Event // guarded by it
}{events: make(map[string]*Event)}

// Read reads an event of the server. What is none by the schema is an error. It
// is shared with others who got the same, and not to be changed.
func Read(b []byte) (*Event, error) {
	read.RLock()
	e := read.events[string(b)]
	read.RUnlock()
	if e != nil {
		return e, nil
	}
	read.Lock()
	defer read.Unlock()
	if e := read.events[string(b)]; e != nil { // somebody else was first
		return e, nil
	}
	e = new(Event)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("%w: %.300q: %w", ErrNoEvent, b, err)
	}
	definition := definitions[e.Type]
	if definition == "" {
		definition = FromServer
	}
	if err := Validate(definition, b); err != nil {
		return nil, err
	}
	read.events[string(b)] = e
	return e, nil
}
