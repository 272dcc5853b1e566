package handshake

import (
	"net/http"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	cases := []struct {
		name, request string
		verdict       Verdict
		status        int
		reason        string
	}{
		{"RFC 6455 §4.2.1 valid", good, Upgrade, 101, ""},
		{"§4.2.1 with a query", strings.Replace(good, "/ws", "/ws?room=1", 1), Upgrade, 101, ""},
		{"§4.2.1 any case", strings.NewReplacer("websocket", "WebSocket", "Upgrade\r", "uPGRADE\r", "Host", "hOST").Replace(good), Upgrade, 101, ""},
		{"§4.2.1 among other options", with("Connection", "keep-alive, Upgrade"), Upgrade, 101, ""},
		{"§4.2.1 method", strings.Replace(good, "GET", "PUT", 1), Refuse, 405, "method"},
		{"§4.2.1 HTTP/1.0", strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), Refuse, 400, "protocol"},
		{"§4.2.1 no host", with("Host", ""), Refuse, 400, "host"},
		{"§4.2.1 two hosts", add("Host: other.example"), Refuse, 400, "host"},
		{"§4.2.1 no upgrade", with("Upgrade", ""), Refuse, 426, "upgrade"},
		{"§4.2.1 other upgrade", with("Upgrade", "h2c"), Refuse, 426, "upgrade"},
		{"§4.2.1 no connection", with("Connection", ""), Refuse, 426, "upgrade"},
		{"§4.2.1 other connection", with("Connection", "keep-alive"), Refuse, 426, "upgrade"},
		{"§4.2.1 no key", with("Sec-WebSocket-Key", ""), Refuse, 400, "bad_key"},
		{"§4.2.1 two keys", add("Sec-WebSocket-Key: " + key), Refuse, 400, "bad_key"},
		{"§4.2.1 short key", with("Sec-WebSocket-Key", "c2hvcnQ="), Refuse, 400, "bad_key"},
		{"§4.2.1 long key", with("Sec-WebSocket-Key", key+key), Refuse, 400, "bad_key"},
		{"§4.2.1 key that is no base64", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ!=="), Refuse, 400, "bad_key"},
		{"§4.2.1 no version", with("Sec-WebSocket-Version", ""), Refuse, 400, "version"},
		{"§4.4 version 8", with("Sec-WebSocket-Version", "8"), Refuse, 426, "version"},
		{"§4.4 version 14", with("Sec-WebSocket-Version", "14"), Refuse, 426, "version"},
		{"§4.4 two versions", add("Sec-WebSocket-Version: 13"), Refuse, 400, "version"},
		{"§9.1 unknown extensions are declined", add("Sec-WebSocket-Extensions: x-other; on, x-more"), Upgrade, 101, ""},
		{"§11.3.4 unknown subprotocols are declined", add("Sec-WebSocket-Protocol: soap, wamp"), Upgrade, 101, ""},

		{"§4.1 the key of the RFC's own example", with("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC=="), Upgrade, 101, ""},
		{"§4.2.1 lists in more than one field", add("Connection: keep-alive\r\nUpgrade: h2c"), Upgrade, 101, ""},
		{"§4.2.1 websocket in a list", with("Upgrade", "h2c ,\tWebSocket"), Upgrade, 101, ""},
		{"§4.2.1 websocket of a version", with("Upgrade", "websocket/13"), Refuse, 426, "upgrade"},
		{"§4.2.1 letters that fold to websocket", with("Upgrade", "web\u017focket"), Refuse, 426, "upgrade"},
		{"§4.2.1 HTTP/1.2", strings.Replace(good, "HTTP/1.1", "HTTP/1.2", 1), Upgrade, 101, ""},
		{"RFC 9110 §15.6.6 HTTP/2.0", strings.Replace(good, "HTTP/1.1", "HTTP/2.0", 1), Refuse, 505, "protocol"},
		{"RFC 9110 §15.6.6 HTTP/0.9", "GET / HTTP/0.9\r\n\r\n", Refuse, 505, "protocol"},
		{"RFC 9113 §3.4 preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refuse, 505, "protocol"},
		{"§4.2.1 HEAD", strings.Replace(good, "GET", "HEAD", 1), Refuse, 405, "method"},
		{"§4.2.1 method in lower case", strings.Replace(good, "GET", "get", 1), Refuse, 405, "method"},
		{"§4.2.1 empty version", strings.Replace(good, " 13", "", 1), Refuse, 400, "version"},
		{"§4.4 a list of versions", with("Sec-WebSocket-Version", "13, 8"), Refuse, 426, "version"},
		{"§4.2.1 empty key", strings.Replace(good, key, "", 1), Refuse, 400, "bad_key"},
		{"§4.2.1 key of 17 bytes", with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE="), Refuse, 400, "bad_key"},
		{"RFC 9112 §3.2 empty host", strings.Replace(good, " chat.example", "", 1), Refuse, 400, "host"},
		{"RFC 9112 §3.2 host with a space", with("Host", "chat example"), Refuse, 400, "host"},
		{"RFC 9112 §3.2 host with a path", with("Host", "chat.example/ws"), Refuse, 400, "host"},
		{"RFC 9112 §3.2.2 absolute target", strings.Replace(good, "/ws", "http://chat.example/ws?x", 1), Upgrade, 101, ""},
		{"RFC 9112 §3.2.2 its authority is the host", strings.Replace(add("Origin: http://chat.example"), "/ws", "http://other.example/ws", 1), Refuse, 403, "origin"},
		{"RFC 9112 §3.2.2 absolute target, other path", strings.Replace(good, "/ws", "http://chat.example/", 1), HTTP, 0, ""},
		{"RFC 9112 §3.2.3 authority for a target", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n", HTTP, 0, ""},
		{"RFC 9112 §3.2.3 authority and our path", "CONNECT a.example/ws HTTP/1.1\r\nHost: a.example\r\n\r\n", Refuse, 405, "method"},
		{"RFC 9112 §3.2.4 asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", HTTP, 0, ""},
		{"RFC 3986 §2.3 path that is encoded", strings.Replace(good, "/ws", "/%77s", 1), Upgrade, 101, ""},
		{"RFC 3986 §2.1 path that is badly encoded", strings.Replace(good, "/ws", "/%7", 1), Refuse, 400, "target"},
		{"percent sign in the query", strings.Replace(good, "/ws", "/ws?%", 1), Upgrade, 101, ""},

		{"§10.2 no origin", good, Upgrade, 101, ""},
		{"§10.2 own origin", add("Origin: http://chat.example"), Upgrade, 101, ""},
		{"§10.2 own origin, TLS ended before", add("Origin: https://chat.example"), Upgrade, 101, ""},
		{"§10.2 own origin, default port", add("Origin: https://CHAT.example:443"), Upgrade, 101, ""},
		{"§10.2 own host, other port", add("Origin: http://chat.example:8080"), Refuse, 403, "origin"},
		{"§10.2 other origin", add("Origin: https://evil.example"), Refuse, 403, "origin"},
		{"§10.2 own host as a prefix", add("Origin: https://chat.example.evil.example"), Refuse, 403, "origin"},
		{"§10.2 own host as a suffix", add("Origin: http://evilchat.example"), Refuse, 403, "origin"},
		{"§10.2 own host as a suffix of names", add("Origin: http://evil.chat.example"), Refuse, 403, "origin"},
		{"§10.2 allowed host as a suffix", add("Origin: https://evilfriend.example"), Refuse, 403, "origin"},
		{"§10.2 allowed host as a prefix", add("Origin: https://friend.example.evil.example"), Refuse, 403, "origin"},
		{"§10.2 own origin, then another", add("Origin: http://chat.example\r\nOrigin: http://evil.example"), Refuse, 403, "origin"},
		{"§10.2 own origin twice", add("Origin: http://chat.example\r\nOrigin: http://chat.example"), Refuse, 403, "origin"},
		{"§10.2 opaque origin", add("Origin: null"), Refuse, 403, "origin"},
		{"§10.2 nonsense for an origin", add("Origin: ://%"), Refuse, 403, "origin"},
		{"§10.2 allowed origin", add("Origin: https://friend.example"), Upgrade, 101, ""},
		{"§10.2 allowed origin, other scheme", add("Origin: http://friend.example"), Refuse, 403, "origin"},
		{"§10.2 allowed host", add("Origin: https://host.example:8443"), Upgrade, 101, ""},
		{"§10.2 allowed host, other port", add("Origin: https://host.example"), Refuse, 403, "origin"},

		{"§10.2 own host, default port of the origin's scheme", sentTo("Origin: http://chat.example", "chat.example:80"), Upgrade, 101, ""},
		{"§10.2 own host, default port of another scheme", sentTo("Origin: https://chat.example", "chat.example:80"), Refuse, 403, "origin"},
		{"§10.2 own host, TLS ended before at a port that is passed on", sentTo("Origin: https://chat.example", "chat.example:443"), Upgrade, 101, ""},
		{"§10.2 own host, TLS ended before at another port", sentTo("Origin: https://chat.example:8443", "chat.example:8443"), Upgrade, 101, ""},
		{"§10.2 Host that a proxy made up", sentTo("Origin: https://chat.example", "127.0.0.1:8080"), Refuse, 403, "origin"},
		{"§10.2 IPv6", sentTo("Origin: http://[::1]:8080", "[::1]:8080"), Upgrade, 101, ""},
		{"§10.2 IPv6 in another form", sentTo("Origin: http://[0:0:0:0:0:0:0:1]/", "[::1]:80"), Upgrade, 101, ""},
		{"§10.2 IPv6 in upper case", sentTo("Origin: http://[2001:DB8::A]:8080", "[2001:db8::a]:8080"), Upgrade, 101, ""},
		{"§10.2 IPv6, other port", sentTo("Origin: http://[::1]:8081", "[::1]:8080"), Refuse, 403, "origin"},
		{"§10.2 other IPv6", sentTo("Origin: http://[::2]", "[::1]"), Refuse, 403, "origin"},
		{"§10.2 empty origin", add("Origin:"), Refuse, 403, "origin"},
		{"§10.2 origin with a path", add("Origin: http://chat.example/"), Upgrade, 101, ""},
		{"§10.2 origin with a longer path", add("Origin: http://chat.example/a?b#c"), Upgrade, 101, ""},
		{"§10.2 other origin with a path", add("Origin: http://evil.example/chat.example"), Refuse, 403, "origin"},
		{"§10.2 other origin with a query", add("Origin: http://evil.example?chat.example"), Refuse, 403, "origin"},
		{"§10.2 own origin in upper case", add("Origin: HTTP://CHAT.EXAMPLE"), Upgrade, 101, ""},
		{"§10.2 own origin, scheme of a WebSocket", add("Origin: wss://chat.example:443"), Upgrade, 101, ""},
		{"§10.2 own host, scheme of a program", add("Origin: capacitor://chat.example"), Refuse, 403, "origin"},
		{"§10.2 own host, no scheme that may be one", add("Origin: h_t://chat.example"), Refuse, 403, "origin"},
		{"§10.2 own host, TLS on another port than 443", add("Origin: https://chat.example:80"), Refuse, 403, "origin"},
		{"§10.2 no host", add("Origin: http://"), Refuse, 403, "origin"},
		{"§10.2 file", add("Origin: file://"), Refuse, 403, "origin"},
		{"§10.2 opaque origin, and a host of that name", strings.Replace(add("Origin: null"), "chat.example", "null", 1), Refuse, 403, "origin"},
		{"§10.2 origin with a user", add("Origin: http://x@chat.example"), Refuse, 403, "origin"},
		{"§10.2 two origins", add("Origin: http://evil.example\r\nOrigin: http://chat.example"), Refuse, 403, "origin"},
		{"§10.2 two origins in one", add("Origin: http://chat.example http://evil.example"), Refuse, 403, "origin"},
		{"§10.2 host without a scheme", add("Origin: chat.example"), Upgrade, 101, ""},
		{"§10.2 host without a scheme, nor the port", sentTo("Origin: Chat.Example", "chat.example:8080"), Upgrade, 101, ""},
		{"§10.2 host without a scheme, with a default port", add("Origin: chat.example:443"), Upgrade, 101, ""},
		{"§10.2 host without a scheme, other port", sentTo("Origin: chat.example:81", "chat.example:8080"), Refuse, 403, "origin"},
		{"§10.2 other host without a scheme", add("Origin: evil.example"), Refuse, 403, "origin"},
		{"§10.2 allowed host without a scheme", add("Origin: friend.example"), Upgrade, 101, ""},
		{"§10.2 allowed origin with its default port", add("Origin: https://friend.example:443"), Upgrade, 101, ""},
		{"§10.2 allowed origin, other port", add("Origin: https://friend.example:8443"), Refuse, 403, "origin"},

		{"other path", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", HTTP, 0, ""},
		{"other path, any method", "DELETE /x HTTP/1.0\r\n\r\n", HTTP, 0, ""},
		{"path that begins the same", strings.Replace(good, "/ws", "/wsx", 1), HTTP, 0, ""},
		{"other path, malformed header", "GET / HTTP/1.1\r\nno colon\r\n\r\n", Refuse, 400, "bad_request"},
		{"other path, no host", "GET / HTTP/1.1\r\n\r\n", Refuse, 400, "host"},
		{"other path, no host, HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", HTTP, 0, ""},
		{"other path, two hosts", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Refuse, 400, "host"},
		{"other path, host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Refuse, 400, "host"},
		{"other path, empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", HTTP, 0, ""},
		{"other path, space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refuse, 400, "bad_request"},
		{"other path, folded header", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", Refuse, 400, "bad_request"},
		{"other path, bare line feeds", "GET / HTTP/1.1\nHost: a\n\n", HTTP, 0, ""},
		{"RFC 9110 §9.3.7 OPTIONS", strings.Replace(good, "GET", "OPTIONS", 1), HTTP, 0, ""},
		{"RFC 9110 §9.3.7 OPTIONS of HTTP/1.0", "OPTIONS /ws HTTP/1.0\r\n\r\n", HTTP, 0, ""},

		{"RFC 9112 §6 handshake with a body", add("Content-Length: 5"), Refuse, 400, "body"},
		{"RFC 9112 §6 handshake with a chunked body", add("Transfer-Encoding: chunked"), Refuse, 400, "body"},
		{"RFC 9112 §6 handshake with a body of both kinds", add("Content-Length: 0\r\nTransfer-Encoding: chunked"), Refuse, 400, "body"},
		{"RFC 9112 §6 handshake with an empty body", add("Content-Length: 0"), Upgrade, 101, ""},
		{"RFC 9112 §6.3 two lengths that are the same", add("Content-Length: 0\r\nContent-Length: 0"), Upgrade, 101, ""},
		{"RFC 9112 §6.3 two lengths", add("Content-Length: 0\r\nContent-Length: 5"), Refuse, 400, "framing"},
		{"RFC 9112 §6.3 list of lengths", add("Content-Length: 0, 0"), Refuse, 400, "framing"},
		{"RFC 9112 §6.3 empty length", add("Content-Length:"), Refuse, 400, "framing"},
		{"RFC 9112 §6.3 negative length", add("Content-Length: -1"), Refuse, 400, "framing"},
		{"RFC 9112 §6.3 length with a sign", add("Content-Length: +5"), Refuse, 400, "framing"},
		{"RFC 9112 §6.3 length that overflows", add("Content-Length: 9223372036854775808"), Refuse, 400, "framing"},
		{"RFC 9112 §6.3 coding that doesn't end", add("Transfer-Encoding: gzip"), Refuse, 400, "framing"},
		{"RFC 9112 §6.3 chunked is not the last coding", add("Transfer-Encoding: chunked, identity"), Refuse, 400, "framing"},
		{"RFC 9112 §6.1 coding of HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Refuse, 400, "framing"},
		{"RFC 9112 §6.1 unknown coding", add("Transfer-Encoding: gzip, chunked"), Refuse, 501, "framing"},
		{"RFC 9112 §6.1 two codings", add("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), Refuse, 501, "framing"},
		{"RFC 9112 §7.1.2 trailers", add("Transfer-Encoding: Chunked\r\nTrailer: Host"), Refuse, 501, "framing"},
		{"bare line feeds", strings.ReplaceAll(good, "\r\n", "\n"), Upgrade, 101, ""},

		{"nothing yet", "", Incomplete, 0, ""},
		{"no end of the head", strings.TrimSuffix(good, "\r\n"), Incomplete, 0, ""},
		{"TLS", "\x16\x03\x01\x02\x00", Refuse, 400, "bad_request"},
		{"no method", " / HTTP/1.1\r\n", Refuse, 400, "bad_request"},
		{"no target", "GET\r\n", Refuse, 400, "bad_request"},
		{"no protocol", "GET /ws\r\n", Refuse, 400, "bad_request"},
		{"other protocol", "GET /ws SPDY/1\r\n", Refuse, 400, "bad_request"},
		{"version of one digit", "GET /ws HTTP/1\r\n", Refuse, 400, "bad_request"},
		{"version of three digits", "GET /ws HTTP/1.01\r\n", Refuse, 400, "bad_request"},
		{"version with what httphead takes for a digit", "GET /ws HTTP/1.?\r\n", Refuse, 400, "bad_request"},
		{"two spaces", "GET  /ws HTTP/1.1\r\n", Refuse, 400, "bad_request"},
		{"space behind", "GET /ws HTTP/1.1 \r\n", Refuse, 400, "bad_request"},
		{"carriage return behind", "GET /ws HTTP/1.1\r\r\n", Refuse, 400, "bad_request"},
		{"RFC 9112 §2.2 blank line before", "\r\n" + good, Upgrade, 101, ""},
		{"RFC 9112 §2.2 blank lines before", "\r\n\n\r\n" + good, Upgrade, 101, ""},
		{"RFC 9112 §2.2 blank line before another path", "\r\nGET / HTTP/1.0\r\n\r\n", HTTP, 0, ""},
		{"RFC 9112 §2.2 blank line, then nonsense", "\r\n\x16\x03", Refuse, 400, "bad_request"},
		{"RFC 9112 §2.2 half a blank line", "\r", Incomplete, 0, ""},
		{"RFC 9112 §2.2 blank line alone", "\r\n\r", Incomplete, 0, ""},
		{"RFC 9112 §2.2 carriage returns before", "\r\r\nGET /ws HTTP/1.1\r\n", Refuse, 400, "bad_request"},
		{"8 KiB of blank lines", strings.Repeat("\r\n", DefaultMaxHead/2), Refuse, 431, "header_too_large"},
		{"blank lines and a head over 8 KiB", "\r\n" + padded(DefaultMaxHead-1), Refuse, 431, "header_too_large"},
		{"target without a path", "GET ?x HTTP/1.1\r\n\r\n", Refuse, 400, "target"},
		{"early: NUL in the method", "GE\x00", Refuse, 400, "bad_request"},
		{"early: SSH", "SSH-2.0-OpenSSH_9.9\r", Refuse, 400, "bad_request"},
		{"early: control character in the target", "GET /\x01", Refuse, 400, "bad_request"},
		{"early: no target", "GET  ", Refuse, 400, "bad_request"},
		{"early: other protocol", "GET / S", Refuse, 400, "bad_request"},
		{"early: wrong version", "GET / HTTP/x", Refuse, 400, "bad_request"},
		{"early: header without a colon", "GET /ws HTTP/1.1\r\nnonsense\r\n", Refuse, 400, "bad_request"},
		{"early: 8 KiB without an end", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", DefaultMaxHead-19), Refuse, 431, "header_too_large"},
		{"control character in the target", "GET /w\x01s HTTP/1.1\r\n", Refuse, 400, "bad_request"},
		{"header without a colon", add("nonsense"), Refuse, 400, "bad_request"},
		{"header without a name", add(": x"), Refuse, 400, "bad_request"},
		{"space before the colon", add("Host : x"), Refuse, 400, "bad_request"},
		{"folded header", add("X: a\r\n b: c"), Refuse, 400, "bad_request"},
		{"carriage return in a header", add("X: a\rb"), Refuse, 400, "bad_request"},
		{"carriage return at the end of a header", add("X: a\r"), Refuse, 400, "bad_request"},
		{"tab in a header", add("X: a\tb"), Upgrade, 101, ""},
		{"bytes beyond ASCII in a header", add("X: \xff"), Upgrade, 101, ""},
		{"DEL in a header", add("X: a\x7fb"), Refuse, 400, "bad_request"},
		{"malformed head over 8 KiB", strings.Replace(padded(DefaultMaxHead+100), "Host:", "Host :", 1), Refuse, 400, "bad_request"},
		{"other path, head over 8 KiB", strings.Replace(padded(DefaultMaxHead+3), "/ws", "/", 1), Refuse, 431, "header_too_large"},
		{"NUL in a header", add("X: a\x00b"), Refuse, 400, "bad_request"},
		{"head of 8 KiB", padded(DefaultMaxHead), Upgrade, 101, ""},
		{"head over 8 KiB", padded(DefaultMaxHead + 1), Refuse, 431, "header_too_large"},
		{"8 KiB without an end", "GET /ws HTTP/1.1\r\nX: " + strings.Repeat("x", DefaultMaxHead), Refuse, 431, "header_too_large"},
		{"8 KiB without a line", strings.Repeat("G", DefaultMaxHead+1), Refuse, 431, "header_too_large"},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			r := server.Look([]byte(tt.request))
			if r.Verdict != tt.verdict || r.Reason != tt.reason {
				t.Fatalf("verdict %v (%s), want %v (%s)", r.Verdict, r.Reason, tt.verdict, tt.reason)
			}
			comesInPieces(t, tt.request)
			if tt.status == 0 {
				return
			}
			res := response(t, tt.request, r.Response)
			if res.StatusCode != tt.status {
				t.Fatalf("status %s, want %d", res.Status, tt.status)
			}
			switch tt.status {
			case http.StatusMethodNotAllowed:
				wantHeader(t, res, "Allow", "GET, OPTIONS")
			case http.StatusUpgradeRequired:
				wantHeader(t, res, "Sec-WebSocket-Version", "13")
				wantHeader(t, res, "Upgrade", "websocket")
			case http.StatusSwitchingProtocols:
				wantHeader(t, res, "Sec-WebSocket-Accept", accept(tt.request))
				wantHeader(t, res, "Sec-WebSocket-Extensions", "")
				wantHeader(t, res, "Sec-WebSocket-Protocol", "")
				if r.N != len(tt.request) {
					t.Fatalf("head of %d bytes, want %d", r.N, len(tt.request))
				}
			}
			if tt.verdict == Refuse && (!res.Close || res.Header.Get("Content-Type") != "text/plain; charset=utf-8") {
				t.Fatalf("answer %q", r.Response)
			}
		})
	}
}
