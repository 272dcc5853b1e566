package token

import (
	"math"
	"strings"

	"chatd/room/carry"
)

// Grant is what a token allows, and who its client is. It is not changed.
type Grant struct {
	Subject string // the client's id; "": the token does not say
	Name    string // the client's name, if Named
	Named   bool   // the token says how it is called, be it ""
	Say     bool   // it may say something, not only listen
	Expires int64  // from when on nothing is allowed: ms since 1970

	rooms   []string // patterns of those that it may come into, unless
	anyRoom bool     // it may come into all
}

// Carry writes the grant.
func (g *Grant) Carry(w *carry.Writer) {
	w.String(g.Subject)
	w.String(g.Name)
	w.Bool(g.Named)
	w.Bool(g.Say)
	w.Int(g.Expires)
	w.Bool(g.anyRoom)
	w.Uint(uint64(len(g.rooms)))
	for _, pattern := range g.rooms {
		w.String(pattern)
	}
}

// Restore reads a grant that Carry has written.
func Restore(r *carry.Reader) *Grant {
	g := &Grant{Subject: r.String(), Name: r.String(), Named: r.Bool(), Say: r.Bool(), Expires: r.Int(), anyRoom: r.Bool()}
	if len(g.Subject) > maxSubject {
		r.Fail("a subject of %d bytes", len(g.Subject))
	}
	for range r.Count(math.MaxInt) {
		g.rooms = append(g.rooms, r.String())
	}
	return g
}

// Allows reports whether the room is one of those that the client may come into.
func (g *Grant) Allows(room string) bool {
	if g.anyRoom {
		return true
	}
	for _, pattern := range g.rooms {
		if matches(pattern, room) {
			return true
		}
	}
	return false
}

// matches reports whether s is as the pattern says, in which * stands for any
// characters, or none. The first place where a part fits is as good as any later
// one, but for the last part: so it takes no more than len(pattern) × len(s) steps.
func matches(pattern, s string) bool {
	first, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return s == pattern
	}
	s, ok := strings.CutPrefix(s, first)
	for ok && starred {
		var part string
		if part, rest, starred = strings.Cut(rest, "*"); !starred {
			return strings.HasSuffix(s, part)
		}
		_, s, ok = strings.Cut(s, part)
	}
	return false
}
