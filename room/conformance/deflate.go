package conformance

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// dialect is d on a connection for which permessage-deflate was agreed upon.
func dialect(name string, d dialog) Case {
	return Case{Name: name, Needs: Deflate, run: func(p *peer) {
		p.compressing("; client_max_window_bits")
		p.converse(d)
	}}
}

// compressing opens the connection, with permessage-deflate.
func (p *peer) compressing(parameters string) {
	h := newHead(p.target, offers(parameters))
	p.write(h.bytes(), 0)
	p.opened(h)
	if p.agreed == nil {
		failf("the offer of permessage-deflate is declined")
	}
}

// inflates is that frames, which may be compressed, are taken for these
// messages.
func inflates(name string, want []message, frames ...frame) Case {
	return dialect(name, dialog{send: stream(frames...), echo: want, ping: pings(frames...)})
}

// breaks is that the connection fails at the last of frames.
func breaks(name string, permitted []int, frames ...frame) Case {
	before := text("before")
	return dialect(name, dialog{
		send: append(stream(before), stream(frames...)...), echo: messages(before), end: fails(permitted...),
	})
}

// raw is a message of this compressed form.
func raw(op ws.OpCode, payload string) frame { return frame{op: op, rsv: rsv1, payload: payload} }

// The close codes for a message that can't be inflated.
var badDeflate = []int{1002, 1007, 1003}

func deflateCases() []Case {
	hello := []message{{ws.OpText, "Hello"}}
	stored := "\x00\x05\x00\xfa\xffHello\x00"
	all := []Case{
		inflates("RFC7692/7.2.3.1/example_of_one_block", hello, raw(ws.OpText, "\xf2\x48\xcd\xc9\xc9\x07\x00")),
		inflates("RFC7692/7.2.3.1/example_of_one_block_in_fragments", hello,
			frame{op: ws.OpText, rsv: rsv1, payload: "\xf2\x48\xcd", more: true}, frame{payload: "\xc9\xc9\x07\x00"}),
		inflates("RFC7692/7.2.3.3/example_of_a_stored_block", hello, raw(ws.OpText, stored)),
		inflates("RFC7692/7.2.3.4/example_of_a_block_with_bfinal", hello, raw(ws.OpText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")),
		inflates("RFC7692/7.2.3.5/example_of_two_blocks", hello, raw(ws.OpText, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")),
		inflates("RFC7692/7.2.3.6/example_of_an_empty_message", []message{{ws.OpText, ""}}, raw(ws.OpText, "\x00")),
		inflates("RFC7692/7.2.3.6/empty_binary_message", []message{{ws.OpBinary, ""}}, raw(ws.OpBinary, "\x00")),
		inflates("RFC7692/7.2.3.6/empty_message_of_a_block_with_fixed_codes", []message{{ws.OpText, ""}}, raw(ws.OpText, "\x02\x00")),
		inflates("RFC7692/7.2.1/message_after_message", messages(text("one"), data("two"), text("")), zipped(text("one")), zipped(data("two")), zipped(text(""))),
		inflates("RFC7692/7.2.1/many_stored_blocks", []message{{ws.OpText, filler(3000)}}, raw(ws.OpText, blocks(flate.NoCompression, filler(3000), 30))),
		inflates("RFC7692/7.2.1/many_blocks_of_the_fastest_level", []message{{ws.OpText, filler(3000)}}, raw(ws.OpText, blocks(flate.BestSpeed, filler(3000), 30))),
		inflates("RFC7692/7.2.1/many_blocks_of_the_best_level", []message{{ws.OpText, filler(60000)}}, raw(ws.OpText, blocks(flate.BestCompression, filler(60000), 20))),
		inflates("RFC7692/7.2.1/codes_without_references", []message{{ws.OpText, filler(3000)}}, raw(ws.OpText, blocks(flate.HuffmanOnly, filler(3000), 3))),
		inflates("RFC7692/7.2.1/empty_blocks_at_the_end", hello, raw(ws.OpText, "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff\x00")),
		inflates("RFC7692/7.2.3.4/long_message_that_ends_with_bfinal", []message{{ws.OpText, filler(5000)}}, raw(ws.OpText, newDeflater(flate.BestCompression).finish(filler(5000))+"\x00")),
		inflates("RFC7692/7.2.3.4/long_data_behind_a_block_with_bfinal", []message{{ws.OpBinary, filler(20000) + noise(20000)}},
			raw(ws.OpBinary, newDeflater(flate.BestCompression).finish(filler(20000))+deflated(noise(20000)))),
		breaks("RFC7692/7.2.3.4/garbage_behind_a_block_with_bfinal", badDeflate, raw(ws.OpText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x07\x00")),
		inflates("RFC7692/7.2.3.4/message_behind_one_with_bfinal", append(hello, hello...), raw(ws.OpText, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), raw(ws.OpText, stored)),

		inflates("RFC7692/6.2/uncompressed_text", messages(text("plain")), text("plain")),
		inflates("RFC7692/6.2/uncompressed_long_binary", messages(data(noise(65536))), data(noise(65536))),
		inflates("RFC7692/6.2/uncompressed_empty_text", messages(text("")), text("")),
		inflates("RFC7692/6.2/compressed_and_uncompressed_take_turns", messages(text("a"), text("b"), data("c"), data("d")), text("a"), zipped(text("b")), data("c"), zipped(data("d"))),
		inflates("RFC7692/6.2/uncompressed_fragments", messages(text("abc")), fragments(ws.OpText, "a", "b", "c")...),
		inflates("RFC7692/6.2/uncompressed_message_that_looks_compressed", []message{{ws.OpBinary, stored}}, data(stored)),
		inflates("RFC7692/6.2/ping_is_not_compressed", messages(text(filler(500))), ping("Hello"), zipped(text(filler(500)))),
		inflates("RFC7692/6.2/fragments_of_a_compressed_message", []message{{ws.OpText, filler(2000)}}, split(ws.OpText, filler(2000), 3)...),
		inflates("RFC7692/6.2/fragments_of_one_byte", []message{{ws.OpText, filler(300)}}, split(ws.OpText, filler(300), 1000)...),
		inflates("RFC7692/6.2/fragments_of_a_compressed_binary_message", []message{{ws.OpBinary, noise(5000)}}, split(ws.OpBinary, noise(5000), 7)...),
		inflates("RFC7692/6.2/first_fragment_empty", hello, frame{op: ws.OpText, rsv: rsv1, more: true}, frame{payload: "\xf2\x48\xcd\xc9\xc9\x07\x00"}),
		inflates("RFC7692/6.2/last_fragment_empty", hello, frame{op: ws.OpText, rsv: rsv1, payload: "\xf2\x48\xcd\xc9\xc9\x07\x00", more: true}, frame{}),
		inflates("RFC7692/6.2/ping_between_compressed_fragments", hello,
			frame{op: ws.OpText, rsv: rsv1, payload: "\xf2\x48\xcd", more: true}, ping("between"), frame{payload: "\xc9\xc9\x07\x00"}),
		dialect("RFC7692/6.2/compressed_message_byte_by_byte", dialog{send: zipped(text(filler(400))).bytes(), cut: 1, echo: messages(text(filler(400)))}),
		dialect("RFC7692/7.2.1/close_behind_a_compressed_message", dialog{
			send: stream(zipped(text("last")), closing(1000, "")), echo: messages(text("last")), end: answers(1000),
		}),

		breaks("RFC7692/6/reserved_bit_1_on_a_ping", protocolError, raw(ws.OpPing, "x")),
		breaks("RFC7692/6/reserved_bit_1_on_an_empty_ping", protocolError, raw(ws.OpPing, "")),
		breaks("RFC7692/6/reserved_bit_1_on_a_pong", protocolError, raw(ws.OpPong, "x")),
		breaks("RFC7692/6/reserved_bit_1_on_a_close", protocolError, raw(ws.OpClose, closeBody(1000, ""))),
		breaks("RFC7692/6/reserved_bit_2_on_a_text", protocolError, frame{op: ws.OpText, rsv: 2, payload: "x"}),
		breaks("RFC7692/6/reserved_bit_3_on_a_text", protocolError, frame{op: ws.OpText, rsv: 1, payload: "x"}),
		breaks("RFC7692/6/reserved_bits_1_and_2_on_a_text", protocolError, frame{op: ws.OpText, rsv: 6, payload: "\x00"}),
		breaks("RFC7692/6/reserved_bit_1_on_a_reserved_opcode", protocolError, raw(3, "\x00")),
		breaks("RFC7692/6/reserved_bit_1_on_a_continuation_too", protocolError,
			frame{op: ws.OpText, rsv: rsv1, payload: "\xf2\x48\xcd", more: true}, raw(ws.OpContinuation, "\xc9\xc9\x07\x00")),
		breaks("RFC7692/6/reserved_bit_1_on_a_continuation_only", protocolError, frame{op: ws.OpText, payload: "a", more: true}, raw(ws.OpContinuation, "\x00")),
		breaks("RFC7692/6.2/compressed_message_within_a_message", protocolError, frame{op: ws.OpText, rsv: rsv1, payload: "\xf2\x48", more: true}, zipped(text("within"))),

		breaks("RFC7692/7.2.2/block_of_the_reserved_type", badDeflate, raw(ws.OpText, "\x06\x00")),
		breaks("RFC7692/7.2.2/block_of_the_reserved_type_in_binary", badDeflate, raw(ws.OpBinary, "\x07\x00")),
		breaks("RFC7692/7.2.2/stored_block_whose_length_is_not_confirmed", badDeflate, raw(ws.OpText, "\x00\x05\x00\x00\x00Hello\x00")),
		breaks("RFC7692/7.2.2/reference_to_before_the_message", badDeflate, raw(ws.OpText, "\xf2\x00\x11\x00\x00")),
		breaks("RFC7692/7.2.2/noise", badDeflate, raw(ws.OpBinary, "\xff\xff\xff\xff\xff\xff\xff\xff")),
		breaks("RFC7692/7.2.2/text_that_was_not_compressed", badDeflate, raw(ws.OpText, "Hello, I am not compressed at all")),
		breaks("RFC7692/7.2.2/garbage_over_fragments", badDeflate, frame{op: ws.OpText, rsv: rsv1, payload: "\xf2\x48\xcd", more: true}, frame{payload: "\xff\xff\xff\xff\xff\xff"}),
		dialect("RFC7692/7.2.2/garbage_behind_a_good_message", dialog{
			send: stream(zipped(text("good")), raw(ws.OpText, "\x07\x00")), echo: messages(text("good")), end: fails(badDeflate...),
		}),

		breaks("RFC6455/8.1/compressed_text_that_is_no_utf8", badText, zipped(text("\xff"))),
		breaks("RFC6455/8.1/compressed_text_with_a_surrogate", badText, zipped(text("a\xed\xa0\x80b"))),
		breaks("RFC6455/8.1/compressed_text_that_ends_in_a_character", badText, zipped(text(filler(500)+"\xe2\x82"))),
		breaks("RFC6455/8.1/compressed_text_in_fragments_that_is_no_utf8", badText, split(ws.OpText, filler(100)+"\xc0\xaf", 4)...),
		inflates("RFC6455/8.1/compressed_characters_cut_by_fragments", []message{{ws.OpText, strings.Repeat("κόσμε😀", 50)}}, split(ws.OpText, strings.Repeat("κόσμε😀", 50), 1000)...),
		inflates("RFC6455/5.6/compressed_binary_is_not_checked", []message{{ws.OpBinary, "\xff\xc0\xaf"}}, zipped(data("\xff\xc0\xaf"))),
	}
	for _, n := range []int{1, 2, 7, 8, 100, 5000} {
		whole := "\xf3\x48\xcd\xc9\xc9\x07\x00" // with BFINAL
		all = append(all, inflates(fmt.Sprintf("RFC7692/7.2.3.4/data_behind_%d_blocks_with_bfinal", n), []message{{ws.OpText, strings.Repeat("Hello", n+1)}},
			raw(ws.OpText, strings.Repeat(whole, n)+"\xf2\x48\xcd\xc9\xc9\x07\x00")))
	}
	return append(all, sizes()...)
}

// blocks is s compressed in at least n blocks.
func blocks(level int, s string, n int) string {
	d := newDeflater(level)
	size := len(s) / n
	var out string
	for ; len(s) > size; s = s[size:] {
		out += d.flush(s[:size])
	}
	return out + d.next(s)
}

// split is a compressed message in at most n fragments of the same size.
func split(op ws.OpCode, s string, n int) []frame {
	z := deflated(s)
	size := (len(z) + n - 1) / n
	var parts []string
	for ; len(z) > size; z = z[size:] {
		parts = append(parts, z[:size])
	}
	all := fragments(op, append(parts, z)...)
	all[0].rsv = rsv1
	return all
}

// sizes are cases that compress messages of many sizes, both ways.
func sizes() []Case {
	var all []Case
	for _, n := range []int{1, 2, 3, 10, 64, 125, 126, 127, 128, 129, 200, 1000, 4096, 16383, 32767, 32768, 32769, 60000, 65535, 65536} {
		t, b := text(filler(n)), data(noise(n))
		all = append(all, inflates(fmt.Sprintf("RFC7692/7.2/text_of_%d_bytes", n), messages(t), zipped(t)))
		if n < 65535 { // compressed, it is longer, and some limit that
			all = append(all, inflates(fmt.Sprintf("RFC7692/7.2/binary_of_%d_bytes_that_do_not_shrink", n), messages(b), zipped(b)))
		}
	}
	return all
}
