package conformance

import (
	"encoding/binary"
	"fmt"

	"github.com/gobwas/ws"
)

// The close codes for what is too big (RFC 6455 §7.4.1).
var tooBig = []int{1009, 1008}

// limited is a case that depends on the target's limit.
func limited(name string, d func(limit int) dialog) Case {
	return Case{Name: name, Needs: Limit, run: func(p *peer) { d(p.target.MaxMessage).run(p) }}
}

// declares is the header of a binary frame that promises n bytes, and no more.
func declares(n uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, n)
	return append(b, sampleKey...)
}

func limitCases() []Case {
	all := []Case{
		limited("RFC6455/10.4/message_of_the_limit", func(limit int) dialog {
			m := data(noise(limit))
			return dialog{send: m.bytes(), echo: messages(m)}
		}),
		limited("RFC6455/10.4/fragments_of_the_limit_together", func(limit int) dialog {
			m := fragments(ws.OpBinary, noise(limit-10), noise(9), noise(1))
			return dialog{send: stream(m...), echo: messages(m...)}
		}),
		limited("RFC6455/10.4/message_over_the_limit", func(limit int) dialog {
			return dialog{send: stream(text("before"), data(noise(limit+1))), echo: messages(text("before")), end: fails(tooBig...)}
		}),
		limited("RFC6455/10.4/text_over_the_limit", func(limit int) dialog {
			return dialog{send: stream(text(filler(limit + 1))), end: fails(tooBig...)}
		}),
		limited("RFC6455/10.4/message_far_over_the_limit", func(limit int) dialog {
			return dialog{send: stream(data(noise(4 * limit))), end: fails(tooBig...)}
		}),
		limited("RFC6455/10.4/last_fragment_goes_over_the_limit", func(limit int) dialog {
			return dialog{send: stream(fragments(ws.OpBinary, noise(limit), "x")...), end: fails(tooBig...)}
		}),
		limited("RFC6455/10.4/second_fragment_is_over_the_limit", func(limit int) dialog {
			return dialog{send: stream(fragments(ws.OpBinary, "x", noise(limit), "")...), end: fails(tooBig...)}
		}),
		limited("RFC6455/10.4/many_fragments_go_over_the_limit", func(limit int) dialog {
			var parts []string
			for n := 0; n <= limit; n += 1000 {
				parts = append(parts, noise(1000))
			}
			return dialog{send: stream(fragments(ws.OpBinary, parts...)...), end: fails(tooBig...)}
		}),
		limited("RFC6455/10.4/limit_counts_each_message_anew", func(limit int) dialog {
			m := []frame{data(noise(limit - 1)), data(noise(limit)), text(filler(limit))}
			return dialog{send: stream(m...), echo: messages(m...)}
		}),
		limited("RFC6455/10.4/pings_do_not_count", func(limit int) dialog {
			m := within(fragments(ws.OpBinary, noise(limit-1), "x"), 1, ping(filler(125)))
			return dialog{send: stream(m...), echo: messages(m...), ping: pings(m...)}
		}),
		limited("RFC6455/10.4/header_of_one_byte_too_many_fails_before_the_payload", func(limit int) dialog {
			return dialog{send: declares(uint64(limit + 1)), end: fails(tooBig...)}
		}).at(Chatd),
		limited("RFC6455/10.4/header_of_a_fragment_too_many_fails_before_its_payload", func(limit int) dialog {
			return dialog{send: append(stream(frame{op: ws.OpBinary, payload: noise(limit), more: true}), "\x80\x81"...), end: fails(tooBig...)}
		}).at(Chatd),
	}
	for _, power := range []int{31, 32, 33, 40, 60} {
		all = append(all, limited(fmt.Sprintf("RFC6455/10.4/header_of_2_to_the_%d_bytes_fails_before_the_payload", power), func(int) dialog {
			return dialog{send: declares(1 << power), end: fails(tooBig...)}
		}).at(Chatd))
	}
	return append(all, limited("RFC6455/10.4/header_of_the_largest_length_fails_before_the_payload", func(int) dialog {
		return dialog{send: declares(1<<63 - 1), end: fails(tooBig...)}
	}).at(Chatd))
}
