package jetstream

import (
	"math"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/nats-io/nats.go"

	"chatd/room/chat"
	"chatd/room/order"
)

// Headers of a message, besides Nats-Msg-Id: who said it.
const (
	headerID     = "Chat-Id"
	headerName   = "Chat-Name"
	headerNonce  = "Chat-Nonce"
	headerBinary = "Chat-Binary"
)

// Headers that the server adds to what it has stored.
const (
	headerSubject  = "Nats-Subject"
	headerSequence = "Nats-Sequence"
	headerBefore   = "Nats-Last-Sequence" // of a copy: the one before it in its room; 0: none is kept
	headerTime     = "Nats-Time-Stamp"
	headerPending  = "Nats-Num-Pending"
	headerUpTo     = "Nats-UpTo-Sequence"
)

// maxID is how long ids may be, in bytes: a longer one is nobody's of chatd's.
const maxID = 255

// entry is a message as a stream has it.
type entry struct {
	order.Message
	before uint64 // see headerBefore; only of a copy
	id     string // of its publication: node.number
}

// size is its memory in bytes, about.
func (e entry) size() int { return int(unsafe.Sizeof(e)) + len(e.Payload) + len(e.Name) + 64 }

func (e entry) point() order.Point { return order.Point{Seq: e.Seq, At: e.At} }

// newMsg is m as it is published. Names and nonces may have bytes that headers can't.
func newMsg(subject, id string, m order.Message) *nats.Msg {
	h := nats.Header{nats.MsgIdHdr: {id}}
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{url.PathEscape(value)}
		}
	}
	set(headerID, m.ID)
	set(headerName, m.Name)
	set(headerNonce, m.Nonce)
	if m.Binary {
		h[headerBinary] = []string{"1"}
	}
	return &nats.Msg{Subject: subject, Header: h, Data: m.Payload}
}

// parseEntry reads a copy, or what was read from a stream. What says who said it was
// perhaps set by somebody else than a node, and counts for as much as a client's own word.
func parseEntry(m *nats.Msg) (e entry, ok bool) {
	h := m.Header
	if e.Seq, ok = number(h, headerSequence); !ok || e.Seq == 0 {
		return entry{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, theServers(h, headerTime))
	if err != nil {
		return entry{}, false
	}
	e.before, _ = number(h, headerBefore)
	e.At = at.UnixMilli()
	e.id = h.Get(nats.MsgIdHdr)
	e.ID, e.Nonce = text(h, headerID, maxID), text(h, headerNonce, chat.MaxNonce)
	e.Name, _ = chat.CleanName(text(h, headerName, math.MaxInt))
	e.Payload = m.Data
	e.Binary = h.Get(headerBinary) != "" || !utf8.Valid(m.Data)
	return e, true
}

// theServers is a header that the server adds, behind all that the message has.
func theServers(h nats.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// number is one that the server adds.
func number(h nats.Header, name string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(theServers(h, name), 10, 64)
	return n, err == nil
}

// text is what newMsg has set; empty if that can't be.
func text(h nats.Header, name string, most int) string {
	s, err := url.PathUnescape(h.Get(name))
	if err != nil || len(s) > most || !utf8.ValidString(s) {
		return ""
	}
	return s
}
