package conformance

import (
	"slices"
	"strings"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// minDeflate is the shortest message in bytes that chatd compresses.
const minDeflate = 128

// onTakeover is a case for connections on which the client may refer to its
// earlier messages, or, with allowed false, may not.
func onTakeover(name string, allowed bool, d dialog) Case {
	return Case{Name: name, Needs: Deflate, run: func(p *peer) {
		p.compressing("")
		if p.agreed.clientNoContextTakeover == allowed {
			panic(failure{ErrSkipped})
		}
		p.converse(d)
	}}
}

// inContext are messages, each compressed in the context of the earlier ones.
func inContext(all ...string) []frame {
	d := newDeflater(flate.DefaultCompression)
	frames := make([]frame, len(all))
	for i, s := range all {
		frames[i] = raw(ws.OpText, d.next(s))
	}
	return frames
}

// comes is that a message comes back in this form on a connection for which
// permessage-deflate was agreed upon.
func comes(name string, as form, m message, sent frame) Case {
	return dialect(name, dialog{send: sent.bytes(), echo: []message{m}, form: as}).at(Chatd)
}

// inflatesTo is a dialog about the target's limit, as limited, on a connection
// for which permessage-deflate was agreed upon.
func inflatesTo(name string, d func(limit int) dialog) Case {
	return Case{Name: name, Level: Chatd, Needs: Limit | Deflate, run: func(p *peer) {
		p.compressing("")
		p.converse(d(p.target.MaxMessage))
	}}
}

func takeoverCases() []Case {
	same := slices.Repeat([]frame{text(filler(2000))}, 5)
	hello := []message{{ws.OpText, "Hello"}, {ws.OpText, "Hello"}}
	t, n := text(filler(1000)), data(noise(1000))
	short, edge := text(strings.Repeat("a", minDeflate-1)), text(strings.Repeat("a", minDeflate))
	return []Case{
		// The reader inflates each message by itself where that was agreed upon.
		{Name: "RFC7692/7.1.1.1/no_message_of_the_server_refers_to_another_one", Needs: Deflate, run: func(p *peer) {
			p.compressing("; server_no_context_takeover")
			p.converse(dialog{send: stream(same...), echo: messages(same...)})
		}},
		{Name: "RFC7692/7.1.1.1/messages_of_the_server_in_whatever_context_was_agreed_upon", Needs: Deflate, run: func(p *peer) {
			p.compressing("")
			p.converse(dialog{send: stream(same...), echo: messages(same...)})
		}},
		onTakeover("RFC7692/7.2.3.2/example_of_a_message_that_refers_to_the_one_before", true, dialog{
			send: stream(raw(ws.OpText, "\xf2\x48\xcd\xc9\xc9\x07\x00"), raw(ws.OpText, "\xf2\x00\x11\x00\x00")), echo: hello,
		}),
		onTakeover("RFC7692/7.1.1.2/client_in_one_context", true, dialog{
			send: stream(inContext(filler(3000), filler(3000), filler(100), filler(3000))...),
			echo: messages(text(filler(3000)), text(filler(3000)), text(filler(100)), text(filler(3000))),
		}),
		onTakeover("RFC7692/7.1.1.2/client_that_agreed_to_no_context_is_not_held_to_have_one", false, dialog{
			send: stream(raw(ws.OpText, "\xf2\x48\xcd\xc9\xc9\x07\x00"), raw(ws.OpText, "\xf2\x00\x11\x00\x00")), echo: hello[:1], end: fails(badDeflate...),
		}),

		comes("RFC7692/6.1/text_that_shrinks_comes_compressed", compressed, message{ws.OpText, t.payload}, zipped(t)),
		comes("RFC7692/6.1/uncompressed_text_that_shrinks_comes_compressed", compressed, message{ws.OpText, t.payload}, t),
		comes("RFC7692/6.1/shortest_text_that_is_compressed", compressed, message{ws.OpText, edge.payload}, edge),
		comes("RFC7692/6.1/short_text_comes_plain", plain, message{ws.OpText, short.payload}, zipped(short)),
		comes("RFC7692/6.1/empty_text_comes_plain", plain, message{ws.OpText, ""}, zipped(text(""))),
		comes("RFC7692/6.1/noise_comes_plain", plain, message{ws.OpBinary, n.payload}, zipped(n)),

		inflatesTo("RFC6455/10.4/message_that_inflates_to_the_limit", func(limit int) dialog {
			m := text(filler(limit))
			return dialog{send: zipped(m).bytes(), echo: messages(m)}
		}),
		inflatesTo("RFC6455/10.4/message_of_the_limit_that_compression_makes_longer", func(limit int) dialog {
			m := data(noise(limit))
			return dialog{send: raw(ws.OpBinary, blocks(flate.NoCompression, m.payload, 4)).bytes(), echo: messages(m)}
		}),
		inflatesTo("RFC6455/10.4/message_that_inflates_to_one_byte_more", func(limit int) dialog {
			return dialog{send: zipped(text(filler(limit + 1))).bytes(), end: fails(tooBig...)}
		}),
		inflatesTo("RFC6455/10.4/fragments_that_inflate_to_one_byte_more", func(limit int) dialog {
			return dialog{send: stream(split(ws.OpText, filler(limit+1), 5)...), end: fails(tooBig...)}
		}),
		inflatesTo("RFC6455/10.4/bomb_of_zeros", func(limit int) dialog {
			return dialog{send: zipped(data(strings.Repeat("\x00", 32*limit))).bytes(), end: fails(tooBig...)}
		}),
		inflatesTo("RFC6455/10.4/bomb_of_text", func(limit int) dialog {
			return dialog{send: zipped(text(strings.Repeat("a", 32*limit))).bytes(), end: fails(tooBig...)}
		}),
		inflatesTo("RFC6455/10.4/bomb_in_fragments", func(limit int) dialog {
			return dialog{send: stream(split(ws.OpBinary, strings.Repeat("\x00", 32*limit), 50)...), end: fails(tooBig...)}
		}),
		inflatesTo("RFC6455/10.4/bomb_of_a_whole_limit_on_the_wire", func(limit int) dialog {
			d, zeros := newDeflater(flate.BestCompression), strings.Repeat("\x00", 1<<20)
			z, block := d.flush(zeros), d.flush(zeros)
			return dialog{send: raw(ws.OpBinary, z+strings.Repeat(block, (limit-len(z))/len(block))).bytes(), end: fails(tooBig...)}
		}),
		inflatesTo("RFC6455/10.4/compressed_form_far_over_the_limit", func(limit int) dialog {
			return dialog{send: raw(ws.OpBinary, noise(4*limit)).bytes(), end: fails(tooBig...)}
		}),
	}
}
