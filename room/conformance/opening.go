package conformance

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// at is c at another level.
func (c Case) at(l Level) Case {
	c.Level = l
	return c
}

// opens is that the connection is established, and a message comes back.
func opens(name string, changes ...change) Case {
	return Case{Name: name, run: dialog{open: changes, send: stream(text(name)), echo: messages(text(name))}.run}
}

// opensInPieces is the same with a head that comes in pieces.
func opensInPieces(name string, pieces int, changes ...change) Case {
	return Case{Name: name, run: func(p *peer) {
		h := newHead(p.target, changes...)
		p.write(h.bytes(), pieces)
		p.opened(h)
		p.converse(dialog{send: stream(text(name)), echo: messages(text(name))})
	}}
}

// refuses is that the server answers with an error: chatd with this status,
// others with any (RFC 6455 §4.2.1).
func refuses(name string, status int, changes ...change) Case {
	return Case{Name: name, run: func(p *peer) {
		h := newHead(p.target, changes...)
		p.write(h.bytes(), 0)
		p.refused(h.method, status)
	}}
}

// refused reads the answer to a request that is not acceptable.
func (p *peer) refused(method string, status int) *http.Response {
	r := p.response(method)
	if r.StatusCode < 400 || r.StatusCode > 599 || p.target.Strict && r.StatusCode != status {
		failf("status %s, want %d (RFC 6455 §4.2.1)", r.Status, status)
	}
	if !p.target.Strict {
		return r
	}
	if _, err := http.ParseTime(r.Header.Get("Date")); err != nil { // RFC 9110 §6.6.1
		failf("%s with Date %q: %v", r.Status, r.Header.Values("Date"), err)
	}
	switch status {
	case http.StatusMethodNotAllowed:
		wantField(r, "Allow", "GET, OPTIONS") // RFC 9110 §15.5.6
	case http.StatusUpgradeRequired:
		wantField(r, "Upgrade", "websocket") // RFC 9110 §15.5.22
		wantField(r, "Sec-WebSocket-Version", "13")
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		failf("the answer's body: %v", err)
	}
	if status != http.StatusNotFound { // which a request for any page may get
		_, err := p.in.Peek(1)
		p.finished(err)
	}
	return r
}

// answersOptions is that the server says which methods there are (RFC 9110
// §9.3.7), and doesn't take the request for a handshake.
func answersOptions(name, methods string, changes ...change) Case {
	return Case{Name: name, Level: Chatd, run: func(p *peer) {
		h := newHead(p.target, changes...)
		p.write(h.bytes(), 0)
		r := p.response(h.method)
		if r.StatusCode != http.StatusNoContent {
			failf("status %s, want 204", r.Status)
		}
		wantField(r, "Allow", methods)
		if _, err := http.ParseTime(r.Header.Get("Date")); err != nil { // §6.6.1
			failf("%s with Date %q: %v", r.Status, r.Header.Values("Date"), err)
		}
	}}
}

func wantField(r *http.Response, name, value string) {
	if got := r.Header.Values(name); !slices.Equal(got, []string{value}) {
		failf("%s with %s %q, want %q", r.Status, name, got, value)
	}
}

// refusesVersion is that the server says which version it speaks instead (RFC
// 6455 §4.4).
func refusesVersion(name string, status int, changes ...change) Case {
	return Case{Name: name, run: func(p *peer) {
		h := newHead(p.target, changes...)
		p.write(h.bytes(), 0)
		if r := p.refused(h.method, status); !hasToken(r.Header.Values("Sec-WebSocket-Version"), "13") {
			failf("Sec-WebSocket-Version %q, want 13 (RFC 6455 §4.4)", r.Header.Values("Sec-WebSocket-Version"))
		}
	}}
}

// padded makes a head this long in bytes.
func padded(n int) change {
	return func(h *head) {
		add("X-Padding", "")(h)
		set("X-Padding", strings.Repeat("x", n-len(h.bytes())))(h)
	}
}

// named gives the server another name than its address.
var named = set("Host", "chat.example")

// maxHead is the longest head in bytes that chatd takes by default.
const maxHead = 8192

func openingCases() []Case {
	all := []Case{
		opens("RFC6455/1.3/sample_key_gets_the_sample_accept"),
		opens("RFC6455/4.1/key_of_the_example_with_stray_bits", set("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC==")).at(Chatd),
		opens("RFC6455/4.2.2/another_key_gets_another_accept", set("Sec-WebSocket-Key", "x3JJHMbDL1EzLkh9GBhXDw==")),
		opens("RFC6455/4.2.2/key_of_slashes_and_pluses", set("Sec-WebSocket-Key", "+/+/+/+/+/+/+/+/+/+/+w==")),
		opens("RFC6455/4.2.2/key_of_zeros", set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")),
		opens("RFC6455/4.2.2/space_around_the_key_does_not_count", set("Sec-WebSocket-Key", "\t "+sampleNonce+" \t")),
		opens("RFC6455/4.2.1/fields_in_another_order", reversed),
		opens("RFC6455/4.2.1/field_names_in_lower_case", names(strings.ToLower)),
		opens("RFC6455/4.2.1/field_names_in_upper_case", names(strings.ToUpper)),
		opens("RFC6455/4.2.1/no_space_behind_the_colon", without("Upgrade"), line("Upgrade:websocket")),
		opens("RFC6455/4.2.1/tabs_around_a_value", set("Upgrade", "\twebsocket\t")),
		opens("RFC6455/4.2.1/websocket_in_mixed_case", set("Upgrade", "WebSocket")),
		opens("RFC6455/4.2.1/websocket_in_upper_case", set("Upgrade", "WEBSOCKET")),
		opens("RFC6455/4.2.1/websocket_in_a_list", set("Upgrade", "h2c, websocket")),
		opens("RFC6455/4.2.1/websocket_in_a_second_field", first("Upgrade", "h2c")),
		opens("RFC6455/4.2.1/upgrade_token_in_lower_case", set("Connection", "upgrade")),
		opens("RFC6455/4.2.1/upgrade_token_in_upper_case", set("Connection", "UPGRADE")),
		opens("RFC6455/4.2.1/upgrade_token_in_a_list", set("Connection", "keep-alive, Upgrade")),
		opens("RFC6455/4.2.1/upgrade_token_first_in_a_list", set("Connection", "Upgrade,keep-alive")),
		opens("RFC6455/4.2.1/upgrade_token_in_a_list_with_odd_space", set("Connection", "keep-alive \t,\t Upgrade")),
		opens("RFC6455/4.2.1/upgrade_token_in_a_list_with_empty_elements", set("Connection", ",, Upgrade ,")),
		opens("RFC6455/4.2.1/upgrade_token_in_a_second_field", first("Connection", "keep-alive")),
		opens("RFC6455/4.2.1/unknown_fields_are_ignored", add("Cookie", "a=b"), add("X-Custom", "?"), add("Authorization", "Basic eDp4")),
		opens("RFC6455/4.2.1/user_agent_of_a_browser", first("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"), add("Pragma", "no-cache"), add("Cache-Control", "no-cache")),
		opens("RFC6455/4.2.1/target_with_a_query", query("?room=1&name=%C3%A9")),
		opens("RFC6455/4.2.1/absolute_target", absolute),
		opens("RFC6455/4.2.1/absolute_target_with_a_query", absolute, query("?x")),
		opensInPieces("RFC6455/4.2.1/head_byte_by_byte", 1),
		opensInPieces("RFC6455/4.2.1/head_in_pieces_of_7", 7, add("X-Long", strings.Repeat("x", 500))),
		opensInPieces("RFC6455/4.2.1/head_in_pieces_of_63", 63),

		refuses("RFC6455/4.2.1/method_post", 405, method("POST")),
		refuses("RFC6455/4.2.1/method_put", 405, method("PUT")),
		refuses("RFC6455/4.2.1/method_head", 405, method("HEAD")),
		refuses("RFC6455/4.2.1/method_delete", 405, method("DELETE")),
		refuses("RFC6455/4.2.1/method_in_lower_case", 405, method("get")),
		opens("RFC6455/4.2.1/http_1.2", version("HTTP/1.2")),
		refuses("RFC6455/4.2.1/http_1.0", 400, version("HTTP/1.0")),
		refuses("RFC6455/4.2.1/http_0.9", 505, version("HTTP/0.9")),
		refuses("RFC6455/4.2.1/http_2.0_in_the_form_of_1.1", 505, version("HTTP/2.0")),
		refuses("RFC6455/4.2.1/no_host", 400, without("Host")),
		refuses("RFC6455/4.2.1/no_upgrade", 426, without("Upgrade")),
		refuses("RFC6455/4.2.1/empty_upgrade", 426, set("Upgrade", "")),
		refuses("RFC6455/4.2.1/other_upgrade", 426, set("Upgrade", "h2c")),
		refuses("RFC6455/4.2.1/upgrade_that_begins_with_websocket", 426, set("Upgrade", "websocket2")),
		refuses("RFC6455/4.2.1/upgrade_that_ends_with_websocket", 426, set("Upgrade", "xwebsocket")),
		refuses("RFC6455/4.2.1/upgrade_in_letters_that_fold_to_websocket", 426, set("Upgrade", "web\u017focket")),
		refuses("RFC6455/4.2.1/no_connection", 426, without("Connection")),
		refuses("RFC6455/4.2.1/other_connection", 426, set("Connection", "keep-alive")),
		refuses("RFC6455/4.2.1/connection_of_two_words", 426, set("Connection", "keep-alive Upgrade")),
		refuses("RFC6455/4.2.1/connection_that_begins_with_upgrade", 426, set("Connection", "Upgraded")),
		refuses("RFC6455/4.2.1/no_key", 400, without("Sec-WebSocket-Key")),
		refuses("RFC6455/4.2.1/empty_key", 400, set("Sec-WebSocket-Key", "")),
		refuses("RFC6455/4.2.1/key_of_15_bytes", 400, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j")),
		refuses("RFC6455/4.2.1/key_of_17_bytes", 400, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE=")),
		refuses("RFC6455/4.2.1/key_of_18_bytes", 400, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTEy")),
		refuses("RFC6455/4.2.1/key_of_32_bytes", 400, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZXRoZSBzYW1wbGUgbm9uY2U=")),
		refuses("RFC6455/4.2.1/key_without_padding", 400, set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")),
		refuses("RFC6455/4.2.1/key_in_the_url_alphabet", 400, set("Sec-WebSocket-Key", "-_-_-_-_-_-_-_-_-_-_-w==")),
		refuses("RFC6455/4.2.1/key_that_is_no_base64", 400, set("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!==")),
		refuses("RFC6455/4.2.1/key_with_a_space", 400, set("Sec-WebSocket-Key", "dGhlIHNhbXB sZSBub25jZQ==")),
		refuses("RFC6455/11.3.1/two_keys", 400, add("Sec-WebSocket-Key", sampleNonce)),
		refuses("RFC6455/11.3.1/two_keys_that_differ", 400, add("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")),
		refuses("RFC6455/4.2.1/no_version", 400, without("Sec-WebSocket-Version")),
		refuses("RFC6455/4.2.1/empty_version", 400, set("Sec-WebSocket-Version", "")),
		refuses("RFC6455/11.3.5/version_twice", 400, add("Sec-WebSocket-Version", "13")),
		refuses("RFC6455/11.3.5/two_versions", 400, add("Sec-WebSocket-Version", "8")),
		refusesVersion("RFC6455/4.4/version_0", 426, set("Sec-WebSocket-Version", "0")),
		refusesVersion("RFC6455/4.4/version_7", 426, set("Sec-WebSocket-Version", "7")),
		refusesVersion("RFC6455/4.4/version_8", 426, set("Sec-WebSocket-Version", "8")),
		refusesVersion("RFC6455/4.4/version_12", 426, set("Sec-WebSocket-Version", "12")),
		refusesVersion("RFC6455/4.4/version_14", 426, set("Sec-WebSocket-Version", "14")),
		refusesVersion("RFC6455/4.4/version_25", 426, set("Sec-WebSocket-Version", "25")),
		refusesVersion("RFC6455/4.4/version_255", 426, set("Sec-WebSocket-Version", "255")),
		refusesVersion("RFC6455/4.4/version_256", 426, set("Sec-WebSocket-Version", "256")),
		refusesVersion("RFC6455/4.3/version_with_a_leading_zero", 426, set("Sec-WebSocket-Version", "013")),
		refusesVersion("RFC6455/4.3/negative_version", 426, set("Sec-WebSocket-Version", "-13")),
		refusesVersion("RFC6455/4.3/version_with_a_fraction", 426, set("Sec-WebSocket-Version", "13.0")),
		refusesVersion("RFC6455/4.3/version_that_is_no_number", 426, set("Sec-WebSocket-Version", "abc")),
		refusesVersion("RFC6455/4.3/list_of_versions", 426, set("Sec-WebSocket-Version", "13, 8")),
		refuses("RFC6455/4.2.2/other_path_is_no_websocket", 404, query("-no-such-service")),

		opens("RFC6455/4.2.2/subprotocol_is_not_invented", add("Sec-WebSocket-Protocol", "chat")),
		opens("RFC6455/4.2.2/none_of_many_subprotocols", add("Sec-WebSocket-Protocol", "soap, wamp"), add("Sec-WebSocket-Protocol", "mqtt")),
		opens("RFC6455/4.2.2/extension_is_not_invented"),
		opens("RFC6455/9.1/unknown_extension_is_declined", add("Sec-WebSocket-Extensions", "x-unknown")),
		opens("RFC6455/9.1/unknown_extensions_with_parameters", add("Sec-WebSocket-Extensions", `foo; a=1; b="2", bar; baz`)),
		opens("RFC6455/9.1/unknown_extensions_in_two_fields", add("Sec-WebSocket-Extensions", "foo"), add("Sec-WebSocket-Extensions", "bar; baz=2")),
		refuses("RFC6455/9.1/empty_parameter_is_malformed", 400, add("Sec-WebSocket-Extensions", "foo;")),
		refuses("RFC6455/9.1/parameter_of_no_name_is_malformed", 400, add("Sec-WebSocket-Extensions", "foo; =1")),
		refuses("RFC6455/9.1/quote_that_does_not_end_is_malformed", 400, add("Sec-WebSocket-Extensions", `foo; a="1`)),
		refuses("RFC6455/9.1/extension_of_two_words_is_malformed", 400, add("Sec-WebSocket-Extensions", "foo bar")),
		refuses("RFC6455/9.1/extension_with_a_slash_is_malformed", 400, add("Sec-WebSocket-Extensions", "foo/1")),
		refuses("RFC6455/9.1/extension_in_parentheses_is_malformed", 400, add("Sec-WebSocket-Extensions", "(foo)")),
		refuses("RFC6455/9.1/extension_in_quotes_is_malformed", 400, add("Sec-WebSocket-Extensions", `"foo"`)),
		refuses("RFC6455/9.1/extension_beyond_ascii_is_malformed", 400, add("Sec-WebSocket-Extensions", "fo\xf6")),
		refuses("RFC6455/9.1/parameter_with_an_at_sign_is_malformed", 400, add("Sec-WebSocket-Extensions", "foo; a@b=1")),
		refuses("RFC6455/9.1/value_with_a_slash_is_malformed", 400, add("Sec-WebSocket-Extensions", "foo; a=b/c")),
		refuses("RFC6455/9.1/value_of_two_words_is_malformed", 400, add("Sec-WebSocket-Extensions", "foo; a=b c")),
		refuses("RFC6455/9.1/quoted_value_of_two_words_is_malformed", 400, add("Sec-WebSocket-Extensions", `foo; a="b c"`)),
		refuses("RFC6455/9.1/quoted_value_with_a_comma_is_malformed", 400, add("Sec-WebSocket-Extensions", `foo; a="b,c"`)),
		refuses("RFC6455/9.1/quoted_value_with_an_escaped_quote_is_malformed", 400, add("Sec-WebSocket-Extensions", `foo; a="b\"c"`)),
		refuses("RFC6455/9.1/quoted_value_of_nothing_is_malformed", 400, add("Sec-WebSocket-Extensions", `foo; a=""`)),
		refuses("RFC6455/9.1/empty_field_is_malformed", 400, add("Sec-WebSocket-Extensions", "")),
		refuses("RFC6455/9.1/list_of_empty_elements_is_malformed", 400, add("Sec-WebSocket-Extensions", ", ,")),
		refuses("RFC6455/9.1/list_of_empty_elements_in_two_fields_is_malformed", 400, add("Sec-WebSocket-Extensions", ","), add("Sec-WebSocket-Extensions", "")),
		refuses("RFC6455/9.1/second_field_is_malformed", 400, add("Sec-WebSocket-Extensions", "foo"), add("Sec-WebSocket-Extensions", "foo bar")),
		opens("RFC6455/9.1/empty_field_behind_one_that_is_not", add("Sec-WebSocket-Extensions", "foo"), add("Sec-WebSocket-Extensions", "")),
		opens("RFC6455/9.1/empty_elements_beside_one_that_is_not", add("Sec-WebSocket-Extensions", ", ,foo,")),

		refuses("RFC6455/11.3.4/empty_field_is_malformed", 400, add("Sec-WebSocket-Protocol", "")),
		refuses("RFC6455/11.3.4/list_of_empty_elements_is_malformed", 400, add("Sec-WebSocket-Protocol", ", ,")),
		refuses("RFC6455/11.3.4/list_of_empty_elements_in_two_fields_is_malformed", 400, add("Sec-WebSocket-Protocol", ","), add("Sec-WebSocket-Protocol", "")),
		refuses("RFC6455/11.3.4/subprotocol_of_two_words_is_malformed", 400, add("Sec-WebSocket-Protocol", "a b")),
		refuses("RFC6455/11.3.4/subprotocol_of_separators_is_malformed", 400, add("Sec-WebSocket-Protocol", `;;"(`)),
		refuses("RFC6455/11.3.4/subprotocol_in_quotes_is_malformed", 400, add("Sec-WebSocket-Protocol", `"chat"`)),
		refuses("RFC6455/11.3.4/subprotocol_with_a_parameter_is_malformed", 400, add("Sec-WebSocket-Protocol", "chat; a=1")),
		refuses("RFC6455/11.3.4/subprotocol_beyond_ascii_is_malformed", 400, add("Sec-WebSocket-Protocol", "ch\xe4t")),
		refuses("RFC6455/11.3.4/second_field_is_malformed", 400, add("Sec-WebSocket-Protocol", "chat"), add("Sec-WebSocket-Protocol", "a b")),
		opens("RFC6455/11.3.4/every_character_of_a_token", add("Sec-WebSocket-Protocol", "a1!#$%&'*+-.^_`|~Z")),
		opens("RFC6455/11.3.4/empty_elements_beside_one_that_is_not", add("Sec-WebSocket-Protocol", ", chat\t,,")),
		opens("RFC6455/11.3.4/empty_field_behind_one_that_is_not", add("Sec-WebSocket-Protocol", "chat"), add("Sec-WebSocket-Protocol", "")),
		opens("RFC6455/11.3.4/subprotocol_twice_is_the_clients_rule", add("Sec-WebSocket-Protocol", "chat, chat")),

		opens("RFC6455/10.2/no_origin_is_no_browser"),
		opens("RFC6455/10.2/own_origin", func(h *head) { add("Origin", "http://"+h.get("Host")[0])(h) }),
		refuses("RFC6455/10.2/other_origin", 403, add("Origin", "https://other.example")).at(Chatd),
		refuses("RFC6455/10.2/opaque_origin", 403, add("Origin", "null")).at(Chatd),
		refuses("RFC6455/10.2/empty_origin", 403, add("Origin", "")).at(Chatd),
		opens("RFC6455/10.2/own_origin_by_another_name", named, add("Origin", "http://chat.example")),
		opens("RFC6455/10.2/own_origin_in_upper_case", named, add("Origin", "HTTP://CHAT.EXAMPLE")),
		opens("RFC6455/10.2/own_origin_with_its_default_port", named, add("Origin", "http://chat.example:80")).at(Chatd),
		opens("RFC6455/10.2/own_origin_where_tls_ended_before", named, add("Origin", "https://chat.example:443")).at(Chatd),
		opens("RFC6455/10.2/own_origin_with_a_path", named, add("Origin", "http://chat.example/")).at(Chatd),
		opens("RFC6455/10.2/own_origin_without_a_scheme", named, add("Origin", "chat.example")).at(Chatd),
		opens("RFC6455/10.2/own_origin_of_ipv6", set("Host", "[::1]:8080"), add("Origin", "http://[0:0:0:0:0:0:0:1]:8080")).at(Chatd),
		refuses("RFC6455/10.2/own_host_of_another_scheme", 403, named, add("Origin", "capacitor://chat.example")).at(Chatd),
		refuses("RFC6455/10.2/own_host_as_a_path", 403, named, add("Origin", "http://evil/chat.example")).at(Chatd),
		refuses("RFC6455/10.2/own_origin_twice", 403, named, add("Origin", "http://chat.example"), add("Origin", "http://chat.example")).at(Chatd),
		refuses("RFC6455/10.2/own_host_as_a_suffix", 403, named, add("Origin", "http://evilchat.example")).at(Chatd),
		refuses("RFC6455/10.2/own_host_as_a_domain", 403, named, add("Origin", "http://evil.chat.example")).at(Chatd),
		refuses("RFC6455/10.2/own_host_as_a_prefix", 403, named, add("Origin", "http://chat.example.evil")).at(Chatd),
		refuses("RFC6455/10.2/own_host_as_a_user", 403, named, add("Origin", "http://chat.example@evil")).at(Chatd),
		refuses("RFC6455/10.2/own_host_with_another_port", 403, named, add("Origin", "http://chat.example:8080")).at(Chatd),
		refuses("RFC6455/10.2/own_origin_before_another", 403, named, add("Origin", "http://chat.example"), add("Origin", "http://evil")).at(Chatd),
		refuses("RFC6455/10.2/own_origin_behind_another", 403, named, add("Origin", "http://evil"), add("Origin", "http://chat.example")).at(Chatd),
		refuses("RFC6455/10.2/own_origin_and_another_in_a_field", 403, named, add("Origin", "http://chat.example http://evil")).at(Chatd),

		opens("RFC9112/2.2/blank_line_before_the_request_line", func(h *head) { h.method = "\r\n" + h.method }).at(Chatd),
		opens("RFC9112/2.2/blank_lines_before_the_request_line", func(h *head) { h.method = "\r\n\n\r\n" + h.method }).at(Chatd),
		opens("RFC9112/6.3/length_of_no_body", add("Content-Length", "0")),
		refuses("RFC9112/6/handshake_with_a_body", 400, add("Content-Length", "5")).at(Chatd),
		refuses("RFC9112/6/handshake_with_a_chunked_body", 400, add("Transfer-Encoding", "chunked")).at(Chatd),
		refuses("RFC9112/6.1/handshake_with_a_length_and_a_coding", 400, add("Content-Length", "0"), add("Transfer-Encoding", "chunked")).at(Chatd),
		refuses("RFC9112/6.1/unknown_coding", 501, add("Transfer-Encoding", "gzip, chunked")),
		refuses("RFC9112/6.3/coding_that_does_not_end", 400, add("Transfer-Encoding", "gzip")),
		refuses("RFC9112/6.3/two_lengths", 400, add("Content-Length", "0"), add("Content-Length", "5")),
		refuses("RFC9112/6.3/length_that_is_no_number", 400, add("Content-Length", "+5")),
		answersOptions("RFC9110/9.3.7/options_of_the_websocket", "GET, OPTIONS", method("OPTIONS")),
		answersOptions("RFC9110/9.3.7/options_of_http_1.0", "GET, OPTIONS", method("OPTIONS"), version("HTTP/1.0")),
		answersOptions("RFC9110/9.3.7/options_of_another_path", "GET, HEAD, OPTIONS", method("OPTIONS"), query("-no-such-service")),
		answersOptions("RFC9110/9.3.7/options_of_the_server", "GET, HEAD, OPTIONS", method("OPTIONS"), func(h *head) { h.target = "*" }),
		refuses("RFC9112/3.2/two_hosts", 400, add("Host", "other.example")),
		refuses("RFC9112/3.2/host_with_a_space", 400, set("Host", "a b")),
		refuses("RFC9112/5.1/space_before_the_colon", 400, without("Upgrade"), line("Upgrade : websocket")),
		refuses("RFC9112/5.2/folded_field", 400, line("X-Folded: a\r\n b")).at(Chatd),
		refuses("RFC9112/5/line_that_is_no_field", 400, line("nonsense")),
		refuses("RFC9112/5/field_without_a_name", 400, line(": x")),
		refuses("RFC9110/5.5/nul_in_a_value", 400, add("X-Nul", "a\x00b")),
		refuses("RFC9110/5.5/carriage_return_in_a_value", 400, add("X-Return", "a\rb")),
		refuses("RFC9110/5.5/carriage_return_at_the_end_of_a_value", 400, add("X-Return", "a\r")),
		refuses("RFC9110/5.5/del_in_a_value", 400, add("X-Del", "a\x7fb")).at(Chatd),
		opens("RFC9110/5.5/tab_in_a_value", add("X-Tab", "a\tb")),
		opens("RFC9110/5.5/bytes_beyond_ascii_in_a_value", add("X-Bytes", "\xff\xfe")),
		opens("RFC9112/2.2/lines_that_end_in_bare_line_feeds", bareLineFeeds),
		refuses("RFC9112/3/two_spaces_in_the_request_line", 400, method("GET ")),
		refuses("RFC9112/2.3/version_of_another_protocol", 400, version("SPDY/1")),
		opens("RFC6585/5/head_of_8192_bytes", padded(maxHead)).at(Chatd),
		refuses("RFC6585/5/head_over_8192_bytes", 431, padded(maxHead+1)).at(Chatd),

		{Name: "RFC6455/4.1/frames_behind_the_head_are_not_lost", Level: Chatd, run: func(p *peer) {
			h := newHead(p.target)
			m := []frame{text("one"), text("two"), data("three")}
			p.write(append(h.bytes(), stream(m...)...), 0)
			p.opened(h)
			p.converse(dialog{echo: messages(m...)})
		}},
		{Name: "RFC6455/4.1/part_of_a_frame_behind_the_head_is_not_lost", Level: Chatd, run: func(p *peer) {
			h := newHead(p.target)
			m := stream(text("in two parts"))
			p.write(append(h.bytes(), m[:9]...), 0)
			p.opened(h)
			p.converse(dialog{send: m[9:], echo: messages(text("in two parts"))})
		}},
		{Name: "RFC6455/4.1/close_behind_the_head_is_answered", Level: Chatd, run: func(p *peer) {
			h := newHead(p.target)
			p.write(append(h.bytes(), closing(1000, "").bytes()...), 0)
			p.opened(h)
			p.converse(dialog{end: answers(1000)})
		}},
	}
	for c := range byte(' ') { // RFC 9110 §5.5 lets others keep them
		if c != 0 && !strings.ContainsRune("\t\n\r", rune(c)) {
			all = append(all, refuses(fmt.Sprintf("RFC9110/5.5/control_character_%02x_in_a_value", c), 400, add("X-Control", "a"+string(rune(c))+"b")).at(Chatd))
		}
	}
	return all
}
