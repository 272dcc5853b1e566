package tls13

import (
	"encoding/binary"
	"errors"
	"slices"
)

// This file is how a Session goes to the program that replaces this one. What it is made
// of appends itself and parses itself beside where it is declared.

// stateForm is the form's version, the first byte.
const stateForm = 1

// errState is a state that can't be.
var errState = errors.New("tls13: this is no state of a session")

// Append appends all that the session is to b, for [ParseSession], and changes nothing.
// Ciphers are not part of it. It must not be used any more once another goes on, for
// both would seal under the same numbers.
//
// What is appended has the secrets: the caller wipes it, and what b was before if that
// was too small.
func (s *Session) Append(b []byte) []byte {
	b = append(slices.Grow(b, s.stateMost()), stateForm) // at once: what grows leaves copies
	return s.Writer.append(s.Reader.append(b))
}

// stateMost is how many bytes Append appends at most.
func (s *Session) stateMost() int {
	most := 300 // of all but what follows
	if x := s.Reader.busy; x != nil {
		most += len(x.partial) + len(x.held)
	}
	if x := s.Writer.busy; x != nil {
		most += len(x.plain)
	}
	return most
}

// ParseSession is the session of which b is all that Append has appended. It keeps
// nothing of b, which the caller wipes.
//
// What is half sent goes on as it was: what is still to be sent has to be the rest of
// the same record, and the Session has its own copy of the plaintext. So it is Pending
// as long, and nobody else need keep that.
func ParseSession(b []byte) (Session, error) {
	p := &parser{rest: b}
	if p.byte(stateForm) != stateForm {
		return Session{}, errState
	}
	var s Session
	s.Reader.parse(p)
	s.Writer.parse(p)
	if p.failed || len(p.rest) > 0 || s.Reader.suite != s.Writer.suite {
		s.Wipe()
		return Session{}, errState
	}
	return s, nil
}

func appendBool(b []byte, yes bool) []byte {
	if yes {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendBytes(b, p []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(p))), p...)
}

// parser takes a state apart. Once it has failed all is zero.
type parser struct {
	rest   []byte
	failed bool
}

// require fails unless what was parsed can be.
func (p *parser) require(can bool) {
	if !can {
		p.rest, p.failed = nil, true
	}
}

// uint is a number of at most most.
func (p *parser) uint(most uint64) uint64 {
	n, size := binary.Uvarint(p.rest)
	if p.require(size > 0 && n <= most); p.failed {
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parser) byte(most uint8) uint8 {
	if p.require(len(p.rest) > 0 && p.rest[0] <= most); p.failed {
		return 0
	}
	n := p.rest[0]
	p.rest = p.rest[1:]
	return n
}

func (p *parser) bool() bool { return p.byte(1) == 1 }

// fill takes as many bytes as to has.
func (p *parser) fill(to []byte) {
	if p.require(len(p.rest) >= len(to)); !p.failed {
		p.rest = p.rest[copy(to, p.rest):]
	}
}

// bytes is a copy of at most most bytes, nil if there are none.
func (p *parser) bytes(most int) []byte {
	n := int(p.uint(uint64(most)))
	if p.require(n <= len(p.rest)); n == 0 || p.failed {
		return nil
	}
	b := append([]byte(nil), p.rest[:n]...)
	p.rest = p.rest[n:]
	return b
}
