package chat

import (
	"strconv"

	"chatd/room/handshake"
	"chatd/room/position"
)

// Command is what a client wants. What its kind has no use for is not set.
type Command struct {
	Kind  Kind
	Text  []byte         // Say; of the frame, if nothing in it was escaped
	Nonce string         // by which a client tells its events apart; "": none
	Room  string         // "": not named, which Join does not allow
	Name  string         // Name; "": none from now on
	Since position.Since // Join
}

// Kind is what kind of command it is.
type Kind uint8

// The kinds.
const (
	Say Kind = iota
	Name
	Join
	Leave
	Who
)

// kinds are the types of the commands.
var kinds = [...]string{Say: "say", Name: "name", Join: "join", Leave: "leave", Who: "who"}

// Decode reads the event of a client, whose text may have at most maxText bytes.
// Members may be in any order, those that it does not know are ignored; one that
// it knows must be there only once.
func Decode(b []byte, maxText int) (Command, *Error) {
	e, failed := read(b)
	if failed == nil {
		var c Command
		if c, failed = e.command(maxText); failed == nil {
			return c, nil
		}
	}
	failed.Nonce, _ = e.nonce()
	return Command{}, failed
}

// command is what the event means.
func (e *event) command(maxText int) (c Command, failed *Error) {
	if c.Kind, failed = e.kind(); failed != nil {
		return c, failed
	}
	var ok bool
	if c.Nonce, ok = e.nonce(); !ok {
		return c, badNonce()
	}
	switch c.Kind {
	case Say:
		c.Text, failed = e.text(maxText)
	case Name:
		c.Name, failed = e.name()
		return c, failed
	case Join:
		c.Since, failed = e.since()
		if len(e[memberRoom]) == 0 && failed == nil {
			failed = badEvent("a join must name a room")
		}
	}
	if failed == nil {
		c.Room, failed = e.room()
	}
	return c, failed
}

func (e *event) kind() (Kind, *Error) {
	if name, ok := e.string(memberType); ok {
		for kind, known := range kinds {
			if name == known {
				return Kind(kind), nil
			}
		}
	}
	return 0, badEvent("type must be say, name, join, leave or who")
}

func (e *event) text(limit int) ([]byte, *Error) {
	text, ok := e.bytes(memberText)
	switch {
	case !ok || len(text) == 0:
		return nil, badEvent("text must be a string that is not empty")
	case len(text) > limit:
		return nil, &Error{Code: TooLong, Message: "text has " + strconv.Itoa(len(text)) + " bytes, of at most " + strconv.Itoa(limit)}
	}
	return text, nil
}

// nonce is ok if there is none.
func (e *event) nonce() (string, bool) {
	if len(e[memberNonce]) == 0 {
		return "", true
	}
	nonce, ok := e.string(memberNonce)
	if !ok || len(nonce) > MaxNonce {
		return "", false
	}
	return nonce, true
}

func (e *event) name() (string, *Error) {
	s, ok := e.string(memberName)
	if !ok {
		return "", badEvent("name must be a string")
	}
	name, ok := CleanName(s)
	if !ok {
		return "", &Error{Code: BadName, Message: "a name is 1 to " + strconv.Itoa(MaxName) + " characters, none of them a control character"}
	}
	return name, nil
}

// room is "" if there is none.
func (e *event) room() (string, *Error) {
	if len(e[memberRoom]) == 0 {
		return "", nil
	}
	room, ok := e.string(memberRoom)
	switch {
	case !ok:
		return "", badEvent("room must be a string")
	case !handshake.RoomName(room):
		return "", &Error{Code: BadRoom, Message: "a room's name is 1 to 64 of A-Z a-z 0-9 . _ ~ -"}
	}
	return room, nil
}

// since is absent if there is none.
func (e *event) since() (position.Since, *Error) {
	if len(e[memberSince]) == 0 {
		return position.Since{}, nil
	}
	if s, ok := e.string(memberSince); ok {
		if since, ok := position.ParseSince(s); ok {
			return since, nil
		}
	}
	return position.Since{}, badEvent(`since must be "now", or a position as epoch.seq or epoch.seq.at`)
}

func badNonce() *Error {
	return badEvent("nonce must be a string of at most " + strconv.Itoa(MaxNonce) + " bytes")
}

func badEvent(message string) *Error { return &Error{Code: BadEvent, Message: message} }
