package conformance

import (
	"fmt"

	"github.com/gobwas/ws"
)

// echoes is that what frames say comes back, and their pings are answered.
func echoes(name string, frames ...frame) Case {
	return echoesInPieces(name, 0, frames...)
}

// echoesInPieces is the same with frames that come in pieces.
func echoesInPieces(name string, cut int, frames ...frame) Case {
	return Case{Name: name, run: dialog{send: stream(frames...), cut: cut, echo: messages(frames...), ping: pings(frames...)}.run}
}

// violates is that the server fails the connection at the last of frames, with
// one of these codes, and answers what came before.
func violates(name string, permitted []int, frames ...frame) Case {
	before := frames[:len(frames)-1]
	return Case{Name: name, run: dialog{
		send: stream(frames...), echo: messages(before...), ping: pings(before...), end: fails(permitted...),
	}.run}
}

// violatesRaw is the same with bytes behind a whole message.
func violatesRaw(name string, permitted []int, b string) Case {
	before := text("before " + name)
	return Case{Name: name, run: dialog{
		send: append(stream(before), b...), echo: messages(before), end: fails(permitted...),
	}.run}
}

// The close codes for what breaks the rules of RFC 6455 §5 (§7.4.1).
var protocolError = []int{1002}

func framingCases() []Case {
	var all []Case
	for _, n := range []int{0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65534, 65535, 65536} {
		all = append(all,
			echoes(fmt.Sprintf("RFC6455/5.2/text_of_%d_bytes", n), text(filler(n))),
			echoes(fmt.Sprintf("RFC6455/5.2/binary_of_%d_bytes", n), data(noise(n))),
		)
	}
	// Whoever sends must use as few bytes as possible; that others are not
	// taken is not said.
	for _, n := range []int{0, 1, 124, 125} {
		all = append(all, violates(fmt.Sprintf("RFC6455/5.2/length_%d_in_2_bytes", n), protocolError, frame{op: ws.OpText, payload: filler(n), wide: 2}).at(Chatd))
	}
	for _, n := range []int{0, 1, 125, 126, 65535} {
		all = append(all, violates(fmt.Sprintf("RFC6455/5.2/length_%d_in_8_bytes", n), protocolError, frame{op: ws.OpBinary, payload: noise(n), wide: 8}).at(Chatd))
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpPing, ws.OpPong, ws.OpClose} {
			f := frame{op: op, rsv: rsv, payload: "x"}
			if op == ws.OpClose {
				f = closing(1000, "")
				f.rsv = rsv
			}
			all = append(all, violates(fmt.Sprintf("RFC6455/5.2/reserved_bits_%03b_on_opcode_%d", rsv, op), protocolError, text("before"), f))
		}
		all = append(all, violates(fmt.Sprintf("RFC6455/5.2/reserved_bits_%03b_on_a_continuation", rsv), protocolError,
			frame{op: ws.OpText, payload: "a", more: true}, frame{op: ws.OpContinuation, rsv: rsv, payload: "b"}))
	}
	for _, op := range []ws.OpCode{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		all = append(all,
			violates(fmt.Sprintf("RFC6455/5.2/reserved_opcode_%d", op), protocolError, text("before"), frame{op: op, payload: "x"}),
			violates(fmt.Sprintf("RFC6455/5.2/reserved_opcode_%d_within_a_message", op), protocolError,
				frame{op: ws.OpText, payload: "a", more: true}, frame{op: op, payload: "x"}),
		)
	}
	many := make([]frame, 100)
	for i := range many {
		many[i] = text(fmt.Sprintf("message %d of a segment", i))
	}
	many[50] = data(noise(50))
	return append(all,
		violatesRaw("RFC6455/5.2/length_with_the_highest_bit", []int{1002, 1009}, "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00x"),
		violatesRaw("RFC6455/5.2/length_of_all_ones", []int{1002, 1009}, "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00x"),

		echoes("RFC6455/5.2/many_frames_in_a_segment", many...),
		echoesInPieces("RFC6455/5.2/frames_byte_by_byte", 1, text("one"), ping("two"), data("\x00three"), text(""), text(filler(130))),
		echoesInPieces("RFC6455/5.2/frames_in_pieces_of_3", 3, many[:20]...),
		echoesInPieces("RFC6455/5.2/long_frame_in_pieces_of_1000", 1000, data(noise(65536))),
		echoesInPieces("RFC6455/5.2/long_frames_in_pieces_of_1459", 1459, text(filler(65535)), data(noise(40000)), text("end")),
		echoes("RFC6455/5.2/sizes_up_and_down", data(noise(65536)), text("x"), data(noise(126)), text(""), data(noise(65535)), text(filler(125))),
		echoes("RFC6455/5.2/nul_bytes_in_text", text("a\x00b\x00")),
		echoes("RFC6455/5.2/control_characters_in_text", text("\x01\x02\t\r\n\x1b\x7f")),
		echoes("RFC6455/5.6/types_take_turns", text("text"), data("binary"), text("text"), data("binary")),
		echoes("RFC6455/5.6/every_byte_in_binary", data(everyByte())),
		echoes("RFC6455/5.7/example_of_a_masked_text", text("Hello")),
		echoes("RFC6455/5.7/example_of_fragments", fragments(ws.OpText, "Hel", "lo")...),
		echoes("RFC6455/5.7/example_of_a_ping", ping("Hello")),
		echoes("RFC6455/5.7/example_of_256_bytes", data(noise(256))),
		echoes("RFC6455/5.7/example_of_64_KiB", data(noise(65536))),

		violates("RFC6455/5.1/unmasked_text", protocolError, text("before"), frame{op: ws.OpText, payload: "x", unmasked: true}),
		violates("RFC6455/5.1/unmasked_binary", protocolError, text("before"), frame{op: ws.OpBinary, payload: "x", unmasked: true}),
		violates("RFC6455/5.1/unmasked_empty_text", protocolError, text("before"), frame{op: ws.OpText, unmasked: true}),
		violates("RFC6455/5.1/unmasked_long_text", protocolError, text("before"), frame{op: ws.OpText, payload: filler(40000), unmasked: true}),
		violates("RFC6455/5.1/unmasked_ping", protocolError, text("before"), frame{op: ws.OpPing, payload: "x", unmasked: true}),
		violates("RFC6455/5.1/unmasked_pong", protocolError, text("before"), frame{op: ws.OpPong, unmasked: true}),
		violates("RFC6455/5.1/unmasked_close", protocolError, text("before"), frame{op: ws.OpClose, payload: closeBody(1000, ""), unmasked: true}),
		violates("RFC6455/5.1/unmasked_continuation", protocolError,
			frame{op: ws.OpText, payload: "a", more: true}, frame{op: ws.OpContinuation, payload: "b", unmasked: true}),
		echoes("RFC6455/5.3/key_of_zeros", frame{op: ws.OpText, payload: "as it is", key: "\x00\x00\x00\x00"}),
		echoes("RFC6455/5.3/key_of_ones", frame{op: ws.OpText, payload: "inverted", key: "\xff\xff\xff\xff"}),
		echoes("RFC6455/5.3/key_with_the_bytes_of_a_header", frame{op: ws.OpText, payload: "\x00\x00\x00\x00", key: "\x81\x84\x81\x84"}),
		echoes("RFC6455/5.3/a_key_for_each_frame",
			frame{op: ws.OpText, payload: filler(1), key: "\x01\x02\x03\x04"}, frame{op: ws.OpText, payload: filler(2), key: "\x05\x06\x07\x08"},
			frame{op: ws.OpText, payload: filler(3), key: "\x09\x0a\x0b\x0c"}, frame{op: ws.OpText, payload: filler(5), key: "\xf0\xe0\xd0\xc0"},
			frame{op: ws.OpText, payload: filler(7), key: "\x00\x00\x00\x01"}, frame{op: ws.OpText, payload: filler(9), key: "\x01\x00\x00\x00"}),
		echoes("RFC6455/5.3/a_key_for_each_fragment",
			frame{op: ws.OpText, payload: "abc", more: true, key: "\x01\x02\x03\x04"}, frame{payload: "defgh", more: true, key: "\xa1\xa2\xa3\xa4"}, frame{payload: "i", key: "\xff\x00\xff\x00"}),
		echoesInPieces("RFC6455/5.3/payload_cut_where_the_key_begins_again", 5, frame{op: ws.OpBinary, payload: noise(100), key: "\x10\x20\x30\x40"}),
	)
}

// everyByte is a string with each of the bytes.
func everyByte() string {
	var b [256]byte
	for i := range b {
		b[i] = byte(i)
	}
	return string(b[:])
}
