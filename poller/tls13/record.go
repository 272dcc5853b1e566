package tls13

import "encoding/binary"

// The types of records.
const (
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
)

// The types of handshake messages that come after the handshake.
const (
	messageTicket    = 4
	messageKeyUpdate = 24
)

const (
	headerSize = 5
	plainMost  = 16 << 10 // of a record's content
	// RecordMost is the size of the largest record: who reads into as much has it opened
	// in place.
	RecordMost = headerSize + plainMost + 256
	// overhead is what a record of ours adds to its content: the header, the type, the
	// tag. It has no padding.
	overhead = headerSize + 1 + tagSize
)

// recordSize is the size of the record that b, of at least a header, begins with.
func recordSize(b []byte) int { return headerSize + int(binary.BigEndian.Uint16(b[3:])) }

// putHeader writes the header of a record of size bytes.
func putHeader(b []byte, size int) {
	b[0], b[1], b[2] = typeData, 3, 3
	binary.BigEndian.PutUint16(b[3:], uint16(size-headerSize))
}

// Session is what is left of TLS when the handshake is done: both directions, side by
// side for there to be one allocation, but each with an owner of its own.
type Session struct {
	Reader Reader
	Writer Writer
}

// NewSession is one whose secrets come from elsewhere: nothing was read or written under
// them. It is nil if they are not those of the suite, which is called as crypto/tls
// calls it.
func NewSession(id uint16, client bool, read, write []byte) *Session {
	s := suiteOf(id)
	if s == 0 || len(read) != s.secretSize() || len(write) != s.secretSize() {
		return nil
	}
	return newSession(s, client, read, write)
}

// Move is a copy of a Session that is not used any more, and is wiped.
func (s *Session) Move() Session {
	moved := *s
	*s = Session{}
	return moved
}

// newSession is one that reads and writes under the secrets given.
func newSession(s suite, client bool, read, write []byte) *Session {
	session := new(Session)
	session.Reader.set(s, read)
	session.Reader.client = client
	session.Writer.set(s, write)
	return session
}

// Wipe forgets the secrets and all that is kept: nothing can be read or written any
// more. Both directions have to be done with.
func (s *Session) Wipe() {
	s.Reader.wipe()
	s.Reader.busy = &reading{ended: true, end: Truncated}
	s.Writer.wipe()
	s.Writer.owes, s.Writer.busy = ended, nil
}
