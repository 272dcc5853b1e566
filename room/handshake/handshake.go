// Package handshake looks at the head of a request: whether it opens a
// WebSocket (RFC 6455 §4.2), asks for a room's events, is another HTTP request, or
// nothing of that.
//
// It is pure: bytes in, verdict and answer out; no I/O, no clock.
//
//	bytes ─▶ request line ─▶ fields ─▶ message ─▶ path? ── another ──▶ HTTP
//	            │              │          │         │
//	            │              │          │       ours ─▶ rules ─▶ query ─▶ Upgrade: the 101, Events: the 200
//	            ▼              ▼          ▼                 ▼        ▼
//	          Refuse         Refuse     Refuse            Refuse: 4xx or 5xx, Connection: close
//
// What is HTTP keeps the rules for any message (RFC 9110, RFC 9112), so that
// net/http, which gets it, has nothing to refuse. More bytes never change a
// verdict, but that of Incomplete.
package handshake

import (
	"bytes"
	"encoding/base64"
	"net/http"

	"github.com/gobwas/httphead"
)

// DefaultMaxHead is a limit for HTTP heads in bytes that is right for most.
const DefaultMaxHead = 8 << 10

// Verdict is what the first bytes of a connection are.
type Verdict uint8

// The verdicts.
const (
	Incomplete Verdict = iota // not the whole head yet
	Upgrade                   // a valid opening handshake
	Events                    // a valid request for a room's events
	EventsHead                // the same, but for the head of the answer alone
	HTTP                      // a request for something else, or OPTIONS
	Refuse                    // not acceptable
)

// Result is what Look found.
type Result struct {
	Verdict  Verdict
	Begin    int    // HTTP, Incomplete: where the head begins; blank lines may come before
	N        int    // all but Incomplete, Refuse: where it ends; what follows are frames, a body, or another request
	Body     bool   // HTTP: a body follows, if it is as the head says
	Length   int64  // HTTP: the body's, in bytes; -1: it tells itself where it ends
	Response []byte // all but Incomplete, HTTP: the answer, or its head, but for its Date, see AppendAnswer; not to be changed
	Deflate  bool   // Upgrade: permessage-deflate was agreed upon (RFC 7692)
	Chunked  bool   // Events: they are sent in chunks
	Room     string // Upgrade, Events: the name of the room
	Protocol string // Upgrade: the subprotocol that was agreed upon; empty: none
	Query    Query  // Upgrade, Events: what the request asks for besides
	Token    string // Upgrade, Events: what is to allow it; empty: none. It is as good as a password
	Status   int    // Refuse: that of the answer
	Reason   string // Refuse: one stable word, for logs and counters
	problem  []byte // Refuse: see Problem
}

// Handshake is what the server accepts. It is not changed once it is in use,
// by any number of goroutines.
type Handshake struct {
	Path         string          // of the WebSocket, below which rooms are; a request for another path is HTTP, but for
	RoomsPath    string          // below which the rooms' events are; ends in a slash; empty: nowhere
	Rooms        map[string]bool // the only ones that there are; nil: all
	AllowOrigin  []string        // see AllowsOrigin
	Subprotocols []string        // that are agreed to; of several the one that the client offers first
	MaxHead      int             // the largest HTTP head in bytes, its blank lines included
	Compress     bool            // accept permessage-deflate
}

// Look judges b, all the bytes that have come so far. It doesn't change them,
// nor keep them.
func (h *Handshake) Look(b []byte) Result {
	window := b[:min(len(b), h.MaxHead)] // where the head must end
	begin := skipBlankLines(window)
	b = b[begin:]
	unfinished := Result{Verdict: Incomplete, Begin: begin}
	if len(window) == h.MaxHead {
		unfinished = refuse(headTooLarge, b)
	}
	line, next, whole := nextLine(window, begin)
	request, ok := parseRequestLine(line, whole)
	switch {
	case !ok:
		return refuse(badRequest, b)
	case !whole:
		return unfinished
	case request.Version.Major != 1:
		return refuse(unknownHTTP, b)
	}
	path, authority, ok := target(request)
	if !ok {
		return refuse(badTarget, b)
	}
	f := fields{known: h.Subprotocols}
	end, ok := f.parse(window, next)
	switch {
	case !ok:
		return refuse(badRequest, b)
	case end == 0:
		return unfinished
	}
	if r := f.checkMessage(request.Version); r != nil {
		return refuse(r, b)
	}
	encoded, query, _ := bytes.Cut(request.URI, []byte{'?'})
	escaped := bytes.IndexByte(encoded, '%') >= 0
	options := string(request.Method) == http.MethodOptions
	if room, ours := h.eventsOf(path); ours && !options {
		return h.lookForEvents(request, &f, eventsTarget{room, escaped, authority, string(query)}, end, b)
	}
	room, ours, bad := h.roomOf(path, escaped)
	switch {
	case !ours || options:
		return Result{Verdict: HTTP, Begin: begin, N: end, Body: f.body(), Length: f.bodyLength()}
	case bad != nil:
		return refuse(bad, b)
	}
	if r := h.check(request, &f, authority); r != nil {
		return refuse(r, b)
	}
	asked, ok := parseQuery(string(query))
	if !ok {
		return refuse(badSince, b)
	}
	var answer *upgrader
	if answer = withoutDeflate; h.Compress {
		answer = f.deflate.answer()
	}
	return Result{
		Verdict: Upgrade, N: end, Response: answer.upgrade(f.key.value, f.protocol), Deflate: answer != withoutDeflate,
		Room: roomName(room), Protocol: f.protocol, Query: asked, Token: f.token(&asked),
	}
}

// check applies the rules for a client's opening handshake (RFC 6455 §4.2.1).
// Authority is that of a request target which has one, else "".
func (h *Handshake) check(request httphead.RequestLine, f *fields, authority string) *refusal {
	switch {
	case string(request.Method) != http.MethodGet:
		return badMethod
	case request.Version.Minor < 1: // RFC 9110 §7.8
		return badProtocol
	case len(f.host.value) == 0:
		return badHost
	case f.body(): // which would be taken for frames
		return badBody
	case !f.upgrade || !f.connection:
		return upgradeRequired
	case f.version.count != 1 || len(f.version.value) == 0:
		return noVersion
	case string(f.version.value) != "13": // §4.4
		return badVersion
	case f.key.count != 1 || !isKey(f.key.value):
		return badKey
	case !f.extensions.valid(): // §9.1
		return badExtensions
	case !f.protocols.valid(): // §11.3.4
		return badSubprotocol
	}
	return h.checkClient(f, authority)
}

// checkClient applies the rules for who sends the request: in one way, and not for a
// page of another origin.
func (h *Handshake) checkClient(f *fields, authority string) *refusal {
	switch {
	case f.authorization.count > 1:
		return badAuthorization
	case f.origin.count == 0: // no browser, or of the same origin
		return nil
	}
	host := string(f.host.value)
	if authority != "" { // takes precedence over Host (RFC 9112 §3.2.2)
		host = authority
	}
	if f.origin.count > 1 || !h.AllowsOrigin(string(f.origin.value), host) {
		return badOrigin
	}
	return nil
}

// isKey reports whether v is 16 bytes in base64. Which of the encodings of the
// same bytes is left open: the example in RFC 6455 §4.1 has bits set in its
// last character that encode nothing.
func isKey(v []byte) bool {
	var key [keySize / 4 * 3]byte
	if len(v) != keySize {
		return false
	}
	n, err := base64.StdEncoding.Decode(key[:], v)
	return err == nil && n == 16
}
