package jetstream

import (
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

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

// parseEntry reads a copy, or what was read from a stream.
func parseEntry(m *nats.Msg) (e entry, ok bool) {
	h := m.Header
	if e.Seq, ok = number(h, headerSequence); !ok || e.Seq == 0 {
		return entry{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, h.Get(headerTime))
	if err != nil {
		return entry{}, false
	}
	e.before, _ = number(h, headerBefore)
	e.At = at.UnixMilli()
	e.id = h.Get(nats.MsgIdHdr)
	e.ID, e.Name, e.Nonce = text(h, headerID), text(h, headerName), text(h, headerNonce)
	if len(e.ID) > maxID {
		e.ID = ""
	}
	e.Payload = m.Data
	// Anybody who may publish there can say anything.
	e.Binary = h.Get(headerBinary) != "" || !utf8.Valid(m.Data)
	return e, true
}

func number(h nats.Header, name string) (n uint64, ok bool) {
	n, err := strconv.ParseUint(h.Get(name), 10, 64)
	return n, err == nil
}

func text(h nats.Header, name string) string {
	escaped := h.Get(name)
	if !strings.Contains(escaped, "%") {
		return escaped
	}
	s, err := url.PathUnescape(escaped)
	if err != nil || !utf8.ValidString(s) {
		return ""
	}
	return s
}
