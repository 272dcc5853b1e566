package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gobwas/ws"
)

// singles are the bytes of s, each a part.
func singles(s string) []string { return strings.Split(s, "") }

// within puts frames behind the at-th of the fragments.
func within(fragments []frame, at int, frames ...frame) []frame {
	return slices.Insert(slices.Clone(fragments), at, frames...)
}

// maxFragments is the largest number of fragments of a message that chatd
// takes by default.
const maxFragments = 4096

func fragmentationCases() []Case {
	three := fragments(ws.OpText, "one ", "two ", "three")
	begun := frame{op: ws.OpText, payload: "begun", more: true}
	goesOn := frame{op: ws.OpContinuation, payload: "goes on", more: true}
	lasts := frame{op: ws.OpContinuation, payload: "ends"}
	all := []Case{
		echoes("RFC6455/5.4/text_of_2_fragments", fragments(ws.OpText, "a", "b")...),
		echoes("RFC6455/5.4/text_of_3_fragments", three...),
		echoes("RFC6455/5.4/binary_of_2_fragments", fragments(ws.OpBinary, "\x00\xff", "\xfe")...),
		echoes("RFC6455/5.4/binary_of_3_fragments", fragments(ws.OpBinary, noise(10), noise(200), noise(7))...),
		echoes("RFC6455/5.4/fragments_of_one_byte", fragments(ws.OpText, singles(filler(200))...)...),
		echoes("RFC6455/5.4/fragments_of_all_sizes", fragments(ws.OpBinary, noise(1), noise(125), noise(126), noise(0), noise(30000), noise(127))...),
		echoes("RFC6455/5.4/long_fragments", fragments(ws.OpBinary, noise(32000), noise(33000))...),
		echoes("RFC6455/5.4/first_fragment_empty", fragments(ws.OpText, "", "b")...),
		echoes("RFC6455/5.4/middle_fragment_empty", fragments(ws.OpText, "a", "", "c")...),
		echoes("RFC6455/5.4/last_fragment_empty", fragments(ws.OpText, "a", "")...),
		echoes("RFC6455/5.4/all_fragments_empty", fragments(ws.OpText, "", "", "", "")...),
		echoes("RFC6455/5.4/empty_binary_fragments", fragments(ws.OpBinary, "", "")...),
		echoes("RFC6455/5.4/fragmented_message_behind_a_whole_one", append([]frame{text("whole")}, three...)...),
		echoes("RFC6455/5.4/whole_message_behind_a_fragmented_one", append(slices.Clone(three), data("whole"))...),
		echoes("RFC6455/5.4/two_fragmented_messages", append(slices.Clone(three), fragments(ws.OpBinary, "\x01", "\x02")...)...),
		echoesInPieces("RFC6455/5.4/fragments_byte_by_byte", 1, three...),
		echoesInPieces("RFC6455/5.4/fragments_in_pieces_of_5", 5, fragments(ws.OpBinary, noise(30), noise(31), noise(32))...),
		echoes("RFC6455/5.4/ping_between_fragments", within(three, 1, ping("between"))...),
		echoes("RFC6455/5.4/ping_before_the_last_fragment", within(three, 2, ping("between"))...),
		echoes("RFC6455/5.4/pings_between_all_fragments", within(within(three, 2, ping("second")), 1, ping("first"))...),
		echoes("RFC6455/5.4/long_ping_between_fragments", within(three, 1, ping(filler(125)))...),
		echoes("RFC6455/5.4/empty_ping_between_fragments", within(three, 1, ping(""))...),
		echoes("RFC6455/5.4/pong_between_fragments", within(three, 2, pong("unasked"))...),
		echoesInPieces("RFC6455/5.4/ping_between_fragments_byte_by_byte", 1, within(three, 2, ping("between"))...),
		{Name: "RFC6455/5.4/ping_between_fragments_is_answered_before_the_message_ends", run: func(p *peer) {
			h := newHead(p.target)
			p.write(h.bytes(), 0)
			p.opened(h)
			p.write(stream(within(three[:2], 2, ping("now"))...), 0)
			if m := p.next(); m.op != ws.OpPong || m.payload != "now" {
				failf("opcode %d %q, want the pong (RFC 6455 §5.5.2)", m.op, m.payload)
			}
			p.converse(dialog{send: stream(three[2]), echo: messages(three...)})
		}},
		{Name: "RFC6455/5.4/close_between_fragments_is_answered", run: dialog{
			send: stream(within(three, 1, closing(1000, ""))...), end: answers(1000),
		}.run},

		violates("RFC6455/5.4/continuation_of_nothing", protocolError, lasts),
		violates("RFC6455/5.4/continuation_of_nothing_that_goes_on", protocolError, goesOn),
		violates("RFC6455/5.4/empty_continuation_of_nothing", protocolError, frame{op: ws.OpContinuation}),
		violates("RFC6455/5.4/continuation_of_a_whole_message", protocolError, text("whole"), lasts),
		violates("RFC6455/5.4/continuation_behind_the_last", protocolError, begun, lasts, lasts),
		violates("RFC6455/5.4/continuation_behind_a_ping", protocolError, ping("x"), lasts),
		violates("RFC6455/5.4/text_within_a_text", protocolError, begun, text("within")),
		violates("RFC6455/5.4/binary_within_a_text", protocolError, begun, data("within")),
		violates("RFC6455/5.4/text_within_a_binary", protocolError, frame{op: ws.OpBinary, payload: "begun", more: true}, text("within")),
		violates("RFC6455/5.4/text_within_a_text_that_goes_on", protocolError, begun, goesOn, text("within")),
		violates("RFC6455/5.4/fragmented_text_within_a_text", protocolError, begun, begun),
		violates("RFC6455/5.4/text_within_an_empty_text", protocolError, frame{op: ws.OpText, more: true}, text("")),
		violates("RFC6455/5.4/text_within_a_text_behind_a_ping", protocolError, begun, ping("x"), text("within")),
	}
	parts := singles(filler(maxFragments + 1))
	return append(all,
		echoes(fmt.Sprintf("RFC6455/10.4/message_of_%d_fragments", maxFragments), fragments(ws.OpText, parts[:maxFragments]...)...).at(Chatd),
		violates("RFC6455/10.4/message_of_more_fragments_than_are_taken", []int{1008}, fragments(ws.OpText, parts...)...).at(Chatd),
	)
}
