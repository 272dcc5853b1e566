package conformance

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Level is how binding a case is.
type Level uint8

// The levels.
const (
	Must   Level = iota // the RFC demands it of every server
	Should              // the RFC recommends it; asked of a Strict target
	Chatd               // the RFC leaves it open; chatd promises it, and it is asked of a Strict target
)

// String implements fmt.Stringer.
func (l Level) String() string { return [...]string{"MUST", "SHOULD", "CHATD"}[l] }

// Needs is a set of what a target must have for a case to make sense.
type Needs uint8

// The needs.
const (
	Limit   Needs = 1 << iota // Target.MaxMessage
	Deflate                   // Target.Deflate
)

// Case is one check of a server.
type Case struct {
	Name  string // RFC, section, what is checked: RFC6455/5.1/unmasked_text
	Level Level
	Needs Needs
	run   func(*peer)
}

// Target is a server. It must send every message back, unchanged.
type Target struct {
	Addr       string        // host:port
	Path       string        // of the WebSocket
	TLS        *tls.Config   // of a client; nil: it is spoken to without TLS
	Strict     bool          // it is held to what chatd promises, not only to what the RFCs demand
	Deflate    bool          // it agrees to permessage-deflate
	MaxMessage int           // the largest message in bytes that it takes, at least 65536; 0: not known
	Patience   time.Duration // for whatever should come at once; 0: 10 s
}

// ErrSkipped is Run's error for a case that is not asked of the target.
var ErrSkipped = errors.New("not asked of this target")

// Cases are all the cases.
func Cases() []Case {
	return slices.Concat(openingCases(), negotiationCases(), framingCases(), fragmentationCases(),
		controlCases(), closingCases(), utf8Cases(), limitCases(), deflateCases(), takeoverCases())
}

// Run checks t, on a connection of its own. The error says what is wrong with
// t, or is [ErrSkipped].
func (c Case) Run(t Target) (err error) {
	if c.Level != Must && !t.Strict || c.Needs&Limit != 0 && t.MaxMessage == 0 || c.Needs&Deflate != 0 && !t.Deflate {
		return ErrSkipped
	}
	if t.Patience == 0 {
		t.Patience = 10 * time.Second
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.error
		default:
			panic(r)
		}
	}()
	p := dial(t)
	defer p.conn.Close()
	c.run(p)
	return nil
}

// failure is what a case panics with when the target does not pass it; it
// doesn't leave the package.
type failure struct{ error }

func failf(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)})
}
