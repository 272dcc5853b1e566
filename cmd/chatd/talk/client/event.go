package client

import (
	"encoding/json"
	"errors"
	"time"
)

// Types of Events. All but Offline are the server's.
const (
	Welcome = "welcome"
	Gap     = "gap"
	Say     = "say"
	Members = "members"
	Who     = "who"
	Error   = "error"

	Offline = "offline" // the link is lost, another one is tried after Retry
)

// Event is something that was heard. Which fields have a meaning depends on Type;
// those with a JSON name are the server's.
type Event struct {
	Type string `json:"type"`
	Room string `json:"room"`

	// Say, and the first four Error.
	Nonce string `json:"nonce"`
	Mine  bool   `json:"-"` // it settles what was said under Nonce
	Text  string `json:"text"`
	Data  []byte `json:"data"` // a binary message, instead of Text
	Seq   uint64 `json:"seq"`
	At    int64  `json:"at"` // ms
	ID    string `json:"id"` // empty: a client that speaks no chat.v1
	Name  string `json:"name"`
	Again bool   `json:"-"` // Mine, and told only for that: its place in the order is another one

	// Welcome.
	Session string        `json:"session"`
	Epoch   string        `json:"epoch"`
	Resumed bool          `json:"resumed"`
	Retries Retries       `json:"retry"`
	Limits  Limits        `json:"limits"`
	Away    time.Duration `json:"-"` // since the last link was lost; 0 with the first one

	// Gap: the messages From to To are lost.
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Why  string `json:"why"`

	Count   int      `json:"count"` // Welcome, Members, Who: how many are in the room
	Members []Member `json:"-"`     // Who: some of them

	// Error.
	Code    string `json:"code"`
	Message string `json:"message"`

	// Offline.
	Err   error         `json:"-"`
	Retry time.Duration `json:"-"`

	Raw []byte `json:"-"` // as it came; nil: it is none of the server's
}

// Retries bounds the time before a new link.
type Retries struct {
	MinMS int64 `json:"min_ms"`
	MaxMS int64 `json:"max_ms"`
}

// Limits are what the server takes.
type Limits struct {
	Message int `json:"message"` // bytes of a text
	Name    int `json:"name"`    // characters
}

// Member is somebody in the room.
type Member struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// decode reads a frame of the server's.
func decode(frame []byte) (Event, error) {
	e := struct {
		Event
		Members json.RawMessage `json:"members"` // how many, or who
	}{}
	if err := json.Unmarshal(frame, &e); err != nil {
		return Event{}, errors.New("the server sent something that is no event of chat.v1")
	}
	e.Raw = frame
	switch e.Type {
	case Welcome:
		_ = json.Unmarshal(e.Members, &e.Count) // unknown: 0
	case Who:
		_ = json.Unmarshal(e.Members, &e.Event.Members)
	}
	return e.Event, nil
}
