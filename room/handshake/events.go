package handshake

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/gobwas/httphead"

	"chatd/room/position"
	"chatd/room/sse"
)

// EventsMethods are the methods that there are for a room's events.
const EventsMethods = "GET, HEAD, OPTIONS"

// eventsTarget is what a request for a room's events is sent to.
type eventsTarget struct {
	room      []byte
	escaped   bool // the path was not as it is
	authority string
	query     string
}

// eventsSegment comes behind the room's.
const eventsSegment = "events"

// eventsOf is the segment of the room whose events a request is for, if its path is
// RoomsPath, a room and events. The bytes are path's.
func (h *Handshake) eventsOf(path []byte) (room []byte, ours bool) {
	below, ok := bytes.CutPrefix(path, []byte(h.RoomsPath))
	if h.RoomsPath == "" || !ok {
		return nil, false
	}
	room, rest, _ := bytes.Cut(below, []byte{'/'})
	return room, string(rest) == eventsSegment
}

// IsEvents reports whether a request for path, which is decoded, is for a room's
// events.
func (h *Handshake) IsEvents(path string) bool {
	_, ours := h.eventsOf([]byte(path))
	return ours
}

// lookForEvents judges a request for a room's events, which b begins with and whose
// head is of n bytes.
func (h *Handshake) lookForEvents(request httphead.RequestLine, f *fields, to eventsTarget, n int, b []byte) Result {
	if r := h.checkEvents(request, f, &to); r != nil {
		return refuse(r, b).Problem()
	}
	asked, ok := parseQuery(to.query)
	if !ok {
		return refuse(badSince, b).Problem()
	}
	// A browser would never come back after a 400: what is no position is none.
	if p, ok := position.Parse(string(f.lastEvent.value)); ok && f.lastEvent.count == 1 {
		asked.Since = position.Since{Kind: position.At, Position: p}
	}
	r := Result{Verdict: Events, N: n, Room: roomName(to.room), Query: asked, Token: f.token(&asked), Chunked: request.Version.Minor >= 1}
	if string(request.Method) == http.MethodHead {
		r.Verdict = EventsHead
	}
	r.Response = eventsHead(r.Chunked, f.origin.value)
	return r
}

// checkEvents applies the rules for a request for events.
func (h *Handshake) checkEvents(request httphead.RequestLine, f *fields, to *eventsTarget) *refusal {
	if bad := h.refuseRoom(to.room, to.escaped); bad != nil {
		return bad
	}
	switch method := string(request.Method); {
	case method != http.MethodGet && method != http.MethodHead:
		return eventsMethod
	case f.body(): // after its request a client says nothing
		return badBody
	}
	return h.checkClient(f, to.authority)
}

// The heads of answers with events, but for the date and the origin. Nobody may keep
// them, least of all a proxy until they are complete.
const (
	eventsFields = "HTTP/1.1 200 OK\r\nContent-Type: " + sse.Type + "\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\nVary: Origin\r\nConnection: close\r\n"
	chunked      = "Transfer-Encoding: chunked\r\n"
	allowOrigin  = "Access-Control-Allow-Origin: "
)

var (
	chunkedEvents = []byte(eventsFields + chunked + "\r\n")
	bareEvents    = []byte(eventsFields + "\r\n")
)

// eventsHead is the head for a page of origin, which is allowed, or for who has
// none.
func eventsHead(inChunks bool, origin []byte) []byte {
	head := bareEvents
	if inChunks {
		head = chunkedEvents
	}
	if len(origin) == 0 {
		return head
	}
	return slices.Concat(head[:len(head)-len("\r\n")], []byte(allowOrigin), origin, []byte("\r\n\r\n"))
}
