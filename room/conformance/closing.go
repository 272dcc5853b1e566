package conformance

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// closes is that the peer closes with body, behind some frames, and that is
// answered with the same code.
func closes(name, body string, frames ...frame) Case {
	return Case{Name: name, run: dialog{
		send: append(stream(frames...), frame{op: ws.OpClose, payload: body}.bytes()...),
		echo: messages(frames...), ping: pings(frames...), end: answers(closeCode(body)),
	}.run}
}

// ignores is that nothing behind the peer's close frame has an answer.
func ignores(name string, behind []byte) Case {
	return Case{Name: name, run: dialog{
		send: append(stream(text("before"), closing(1000, "")), behind...),
		echo: messages(text("before")), end: answers(1000),
	}.run}
}

// refusesClose is that a close frame which must not be sent is a violation to
// chatd. What others do about it is not said; they must not send it back.
func refusesClose(name, body string) Case {
	return Case{Name: name, run: dialog{
		send: frame{op: ws.OpClose, payload: body}.bytes(), end: end{codes: []int{1002}, any: true, none: true},
	}.run}
}

func closingCases() []Case {
	var all []Case
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3001, 3999, 4000, 4001, 4998, 4999} {
		all = append(all, closes(fmt.Sprintf("RFC6455/7.4/close_code_%d_is_answered", code), closeBody(code, "")))
	}
	for _, code := range []int{1012, 1013, 1014} { // registered later: others may not know them
		c := dialog{send: closing(code, "").bytes(), end: end{codes: []int{code, 1002}, any: true, none: true}}
		all = append(all, Case{Name: fmt.Sprintf("RFC6455/11.7/close_code_%d_is_answered", code), run: c.run})
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2998, 2999, 5000, 5001, 32768, 65535} {
		section := "7.4.2"
		if code >= 1000 && code <= 1015 {
			section = "7.4.1"
		}
		all = append(all, refusesClose(fmt.Sprintf("RFC6455/%s/close_code_%d_is_refused", section, code), string([]byte{byte(code >> 8), byte(code)})))
	}
	return append(all,
		closes("RFC6455/5.5.1/close_without_a_body", ""),
		closes("RFC6455/5.5.1/close_with_a_reason", closeBody(1000, "bye")),
		closes("RFC6455/5.5.1/close_with_a_reason_beyond_ascii", closeBody(1000, "tschüß, 再见 👋")),
		closes("RFC6455/5.5.1/close_with_a_reason_of_122_bytes", closeBody(1000, filler(122))),
		closes("RFC6455/5.5.1/close_with_a_reason_of_123_bytes", closeBody(1000, filler(123))),
		closes("RFC6455/5.5.1/close_with_a_reason_of_123_bytes_beyond_ascii", closeBody(4999, strings.Repeat("€", 41))),
		closes("RFC6455/5.5.1/close_with_a_nul_in_the_reason", closeBody(1000, "a\x00b")),
		closes("RFC6455/5.5.1/close_behind_messages", closeBody(1000, ""), text("one"), data("two"), text("three")),
		closes("RFC6455/5.5.1/close_behind_a_long_message", closeBody(1000, ""), data(noise(65536))),
		Case{Name: "RFC6455/5.5.1/close_byte_by_byte", run: dialog{
			send: closing(1001, "in pieces").bytes(), cut: 1, end: answers(1001),
		}.run},

		refusesClose("RFC6455/5.5.1/close_of_one_byte_is_refused", "\x03"),
		refusesClose("RFC6455/5.5.1/close_of_a_zero_is_refused", "\x00"),
		violates("RFC6455/5.5.1/close_reason_that_is_no_utf8", badText, closing(1000, "\xff")),
		violates("RFC6455/5.5.1/close_reason_that_ends_in_a_character", badText, closing(1000, "abc\xe2\x82")),
		violates("RFC6455/5.5.1/close_reason_with_an_overlong_slash", badText, closing(1001, "\xc0\xaf")),
		violates("RFC6455/5.5.1/close_reason_with_a_surrogate", badText, closing(4000, "a\xed\xa0\x80b")),
		violates("RFC6455/5.5.1/close_reason_beyond_unicode", badText, closing(3000, "\xf4\x90\x80\x80")),
		violates("RFC6455/5.5.1/close_of_a_bad_code_and_a_bad_reason", []int{1002, 1007}, closing(1005, "\xff")).at(Chatd),

		ignores("RFC6455/5.5.1/text_behind_a_close_is_ignored", text("behind").bytes()),
		ignores("RFC6455/5.5.1/long_message_behind_a_close_is_ignored", data(noise(65536)).bytes()),
		ignores("RFC6455/5.5.1/second_close_is_ignored", closing(1001, "again").bytes()),
		ignores("RFC6455/5.5.1/violation_behind_a_close_is_ignored", []byte("\xf3\x00 no frame at all")),
		Case{Name: "RFC6455/7.1.7/text_behind_a_violation_is_ignored", run: dialog{
			send: stream(frame{op: 3}, text("behind")), end: fails(1002),
		}.run},
		Case{Name: "RFC6455/7.1.7/close_behind_a_violation_is_ignored", run: dialog{
			send: stream(frame{op: 3}, closing(1000, "")), end: fails(1002),
		}.run},
		Case{Name: "RFC6455/7.1.7/ping_behind_a_violation_is_ignored", run: dialog{
			send: stream(text("before"), frame{op: ws.OpText, unmasked: true}, ping("behind")), echo: messages(text("before")), end: fails(1002),
		}.run},
		Case{Name: "RFC6455/7.1.7/much_behind_a_violation_does_not_reset_the_connection", Level: Should, run: dialog{
			send: append(frame{op: 3}.bytes(), noise(300000)...), end: fails(1002),
		}.run},

		Case{Name: "RFC6455/7.1.1/server_ends_the_stream_behind_an_empty_close", run: dialog{
			send: closing(0, "").bytes(), end: answers(0),
		}.run},
		Case{Name: "RFC6455/7.1.1/close_is_answered_to_a_peer_that_ended_its_stream", run: dialog{
			send: closing(1000, "").bytes(), hush: true, end: answers(1000),
		}.run},
		Case{Name: "RFC6455/7.1.1/messages_and_close_of_a_peer_that_ended_its_stream", Level: Chatd, run: dialog{
			send: stream(text("one"), data(noise(40000)), closing(1000, "")), echo: messages(text("one"), data(noise(40000))), hush: true, end: answers(1000),
		}.run},
		Case{Name: "RFC6455/7.1.4/stream_that_ends_without_a_close_gets_none", Level: Chatd, run: dialog{
			send: stream(text("last words")), echo: messages(text("last words")), hush: true, end: vanishes,
		}.run},
		Case{Name: "RFC6455/7.1.4/stream_that_ends_at_once", run: dialog{hush: true, end: vanishes}.run},
		Case{Name: "RFC6455/7.1.4/stream_that_ends_within_a_header", run: dialog{
			send: text("x").bytes()[:1], hush: true, end: vanishes,
		}.run},
		Case{Name: "RFC6455/7.1.4/stream_that_ends_within_a_payload", run: dialog{
			send: text("hello").bytes()[:9], hush: true, end: vanishes,
		}.run},
		Case{Name: "RFC6455/5.4/message_that_the_stream_cuts_off_is_none", run: dialog{
			send: frame{op: ws.OpText, payload: "begun", more: true}.bytes(), hush: true, end: vanishes,
		}.run},
	)
}
