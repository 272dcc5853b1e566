package handshake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// refusal is a reason not to go on, with its answer.
type refusal struct {
	reason   string
	status   int
	text     string // for a person
	response answer
	problem  answer // the same for programs
}

// answer is one to a request.
type answer struct {
	bytes []byte
	head  int // of bytes, those without the body
}

// to is the answer to the request that begins with b.
func (a answer) to(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("HEAD ")) { // RFC 9110 §9.3.2
		return a.bytes[:a.head:a.head]
	}
	return a.bytes
}

// The refusals and the rules that ask for them.
var (
	badRequest      = newRefusal("bad_request", http.StatusBadRequest, "this is not an HTTP/1.1 request")
	headTooLarge    = newRefusal("header_too_large", http.StatusRequestHeaderFieldsTooLarge, "the request's head is too large")            // RFC 6585 §5
	unknownHTTP     = newRefusal("protocol", http.StatusHTTPVersionNotSupported, "only HTTP/1.1 is spoken here")                           // RFC 9110 §15.6.6
	badTarget       = newRefusal("target", http.StatusBadRequest, "the request's target is no path or URL")                                // RFC 9112 §3.2
	badHost         = newRefusal("host", http.StatusBadRequest, "exactly one valid Host header is needed")                                 // RFC 9112 §3.2
	badLength       = newRefusal("framing", http.StatusBadRequest, "Content-Length is not one number of bytes")                            // RFC 9112 §6.3
	badCoding       = newRefusal("framing", http.StatusBadRequest, "Transfer-Encoding does not end in chunked, or is HTTP/1.0")            // RFC 9112 §6.3
	unknownCoding   = newRefusal("framing", http.StatusNotImplemented, "no Transfer-Encoding but chunked, without trailers")               // RFC 9112 §6.1
	badMethod       = newRefusal("method", http.StatusMethodNotAllowed, "a WebSocket is opened with GET", "Allow: GET, OPTIONS")           // RFC 6455 §4.1
	badProtocol     = newRefusal("protocol", http.StatusBadRequest, "a WebSocket is opened with HTTP/1.1 (nginx: proxy_http_version 1.1)") // RFC 6455 §4.1
	eventsMethod    = newRefusal("method", http.StatusMethodNotAllowed, "a room's events are read with GET", "Allow: "+EventsMethods)
	badBody         = newRefusal("body", http.StatusBadRequest, "this is asked for without a body") // RFC 6455 §4.1
	upgradeRequired = newRefusal("upgrade", http.StatusUpgradeRequired, "this is a WebSocket: Upgrade: websocket and Connection: Upgrade are needed",
		"Upgrade: websocket", "Sec-WebSocket-Version: 13") // RFC 9110 §15.5.22
	badRoom    = newRefusal("bad_room", http.StatusBadRequest, "a room's name is 1 to 64 of A-Z a-z 0-9 . _ ~ -, not encoded, and neither . nor ..")
	noSuchRoom = newRefusal("no_room", http.StatusNotFound, "there is no such room")
	noVersion  = newRefusal("version", http.StatusBadRequest, "exactly one Sec-WebSocket-Version header is needed")
	badVersion = newRefusal("version", http.StatusUpgradeRequired, "only version 13 of WebSocket is spoken here",
		"Upgrade: websocket", "Sec-WebSocket-Version: 13") // RFC 6455 §4.4
	badKey           = newRefusal("bad_key", http.StatusBadRequest, "exactly one Sec-WebSocket-Key header of 16 bytes in base64 is needed")
	badExtensions    = newRefusal("extensions", http.StatusBadRequest, "Sec-WebSocket-Extensions is not a list of extensions") // RFC 6455 §9.1
	badSubprotocol   = newRefusal("subprotocol", http.StatusBadRequest, "Sec-WebSocket-Protocol is not a list of tokens")      // RFC 6455 §11.3.4
	badSince         = newRefusal("bad_since", http.StatusBadRequest, "since is not where one can begin in a room: leave it out, write now, or the position that you were told")
	badAuthorization = newRefusal("authorization", http.StatusBadRequest, "there is more than one Authorization header") // RFC 9110 §11.6.2
	badOrigin        = newRefusal("origin", http.StatusForbidden, "the Origin of this request's page is not its Host, nor allowed. "+
		"A proxy has to pass on the Host that the browser sent (nginx: proxy_set_header Host $http_host; Apache: ProxyPreserveHost On). "+
		"Pages of another host have to be allowed: chatd -allow-origin https://that.host") // RFC 6455 §10.2
)

// The answers to connections that are refused whatever they have sent.
var (
	SourceLimit  = refuse(newRefusal("source_limit", http.StatusTooManyRequests, "too many connections from this address", "Retry-After: 5"), nil) // RFC 6585 §4
	Crowded      = refuse(newRefusal("handshake_limit", http.StatusServiceUnavailable, "too many handshakes are under way", "Retry-After: 1"), nil)
	Exhausted    = refuse(newRefusal("exhausted", http.StatusServiceUnavailable, "there are too many connections on this host", "Retry-After: 5"), nil)
	Banned       = refuse(newRefusal("banned", http.StatusForbidden, "this client was removed from the room, and may not come back yet"), nil)
	TooManyRooms = refuse(newRefusal("room_limit", http.StatusServiceUnavailable, "there are too many rooms (-max-rooms)", "Retry-After: 5"), nil)
	Unavailable  = refuse(newRefusal("order_unavailable", http.StatusServiceUnavailable, "the room can't be reached at present", "Retry-After: 5"), nil)
	// Where each connection has to begin with a PROXY header:
	NoTrustedProxy = refuse(newRefusal("no_trusted_proxy", http.StatusForbidden, "only proxies of trusted addresses may connect (-proxy-protocol, -trusted-proxies)"), nil)
	NoProxyHeader  = refuse(newRefusal("no_proxy_header", http.StatusBadRequest, "a PROXY protocol header of version 1 or 2 must come before the request (-proxy-protocol)"), nil)

	// PlainHTTP is for who speaks it where TLS is spoken.
	PlainHTTP = refuse(newRefusal("plain_http", http.StatusBadRequest, "this port speaks TLS: write https or wss"), nil)

	TimedOut = refuse(newRefusal("handshake_timeout", http.StatusRequestTimeout, "the request's head took too long"), nil) // RFC 9110 §15.5.9
)

// Reasons are the words that [Result].Reason may have, but for those of [Unauthorized].
func Reasons() []string {
	var all []string
	for _, r := range []*refusal{badRequest, headTooLarge, unknownHTTP, badTarget, badHost, badLength, badCoding, unknownCoding,
		badRoom, noSuchRoom, badMethod, eventsMethod, badProtocol, badBody, upgradeRequired, noVersion, badKey, badExtensions, badSubprotocol, badAuthorization, badOrigin, badSince} {
		if !slices.Contains(all, r.reason) {
			all = append(all, r.reason)
		}
	}
	return append(all, SourceLimit.Reason, Crowded.Reason, Exhausted.Reason, Banned.Reason, TimedOut.Reason, NoTrustedProxy.Reason, NoProxyHeader.Reason, TooManyRooms.Reason, Unavailable.Reason, RoomForbidden.Reason)
}

func newRefusal(reason string, status int, text string, headers ...string) *refusal {
	r := &refusal{reason: reason, status: status, text: text}
	r.response = newAnswer(status, headers, "text/plain; charset=utf-8", text)
	problem, err := json.Marshal(struct { // RFC 9457 §3
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, text})
	if err != nil {
		panic(err) // not reached
	}
	headers = append(slices.Clip(headers), "Cache-Control: no-store", "Vary: Origin") // as what it stands for
	r.problem = newAnswer(status, headers, "application/problem+json", string(problem))
	return r
}

func newAnswer(status int, headers []string, kind, body string) answer {
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	for _, h := range headers {
		b = fmt.Appendf(b, "%s\r\n", h)
	}
	connection := "close"
	if status == http.StatusUpgradeRequired {
		connection = "close, Upgrade"
	}
	b = fmt.Appendf(b, "Connection: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", connection, kind, len(body)+1)
	head := len(b)
	b = fmt.Appendf(b, "%s\n", body)
	return answer{slices.Clip(b), head}
}

// AppendAnswer appends r's answer, with the date (RFC 9110 §6.6.1).
func (r Result) AppendAnswer(b []byte, date string) []byte {
	const field = "\r\nDate: "
	line, rest, _ := bytes.Cut(r.Response, []byte("\r\n"))
	b = slices.Grow(b, len(r.Response)+len(field)+len(date))
	b = append(b, line...)
	b = append(b, field...)
	b = append(b, date...)
	b = append(b, "\r\n"...)
	return append(b, rest...)
}

// refuse is the refusal of the request that begins with b.
func refuse(r *refusal, b []byte) Result {
	return Result{Verdict: Refuse, Response: r.response.to(b), problem: r.problem.to(b), Status: r.status, Reason: r.reason}
}

// WithoutBody is the same refusal for who asked for the head alone.
func (r Result) WithoutBody() Result {
	end := []byte("\r\n\r\n")
	head, _, _ := bytes.Cut(r.Response, end)
	r.Response = slices.Concat(head, end)
	return r
}

// Problem is the same refusal for a program (RFC 9457).
func (r Result) Problem() Result {
	r.Response = r.problem
	return r
}
