package conformance

import (
	"fmt"

	"github.com/gobwas/ws"
)

func controlCases() []Case {
	var all []Case
	for _, n := range []int{0, 1, 2, 4, 64, 124, 125} {
		all = append(all, echoes(fmt.Sprintf("RFC6455/5.5.3/pong_has_the_%d_bytes_of_its_ping", n), ping(noise(n))))
	}
	for _, n := range []int{126, 127, 1000, 65536} {
		all = append(all,
			violates(fmt.Sprintf("RFC6455/5.5/ping_of_%d_bytes", n), protocolError, text("before"), ping(filler(n))),
			violates(fmt.Sprintf("RFC6455/5.5/pong_of_%d_bytes", n), protocolError, text("before"), pong(filler(n))),
			violates(fmt.Sprintf("RFC6455/5.5/close_of_%d_bytes", n), protocolError, text("before"), closing(1000, filler(n-2))),
		)
	}
	for _, wide := range []int{2, 8} {
		all = append(all, violates(fmt.Sprintf("RFC6455/5.5/ping_with_a_length_of_%d_bytes", wide), protocolError, frame{op: ws.OpPing, payload: "x", wide: wide}).at(Chatd))
	}
	return append(all,
		violates("RFC6455/5.5/fragmented_ping", protocolError, text("before"), frame{op: ws.OpPing, payload: "x", more: true}),
		violates("RFC6455/5.5/fragmented_empty_ping", protocolError, frame{op: ws.OpPing, more: true}),
		violates("RFC6455/5.5/fragmented_pong", protocolError, frame{op: ws.OpPong, payload: "x", more: true}),
		violates("RFC6455/5.5/fragmented_close", protocolError, frame{op: ws.OpClose, payload: closeBody(1000, ""), more: true}),

		echoes("RFC6455/5.5.2/ping_with_every_byte_to_127", ping(everyByte()[:125])),
		echoes("RFC6455/5.5.2/ping_with_the_bytes_beyond", ping(everyByte()[131:])),
		echoes("RFC6455/5.5.2/ping_before_a_message", ping("x"), text("message")),
		echoes("RFC6455/5.5.2/ping_behind_a_message", text("message"), ping("x")),
		echoes("RFC6455/5.5.2/pings_between_messages", ping("1"), text("a"), ping("2"), text("b"), ping("3"), data("c")),
		echoes("RFC6455/5.5.2/two_pings", ping("first"), ping("second")),
		echoes("RFC6455/5.5.2/many_pings", manyPings(40)...),
		echoes("RFC6455/5.5.2/same_ping_twice", ping("same"), ping("same")),
		echoesInPieces("RFC6455/5.5.2/ping_byte_by_byte", 1, ping("in pieces")),
		echoesInPieces("RFC6455/5.5.2/many_pings_byte_by_byte", 1, manyPings(10)...),
		Case{Name: "RFC6455/5.5.2/each_of_pings_that_wait_for_their_pong_is_answered", run: func(p *peer) {
			h := newHead(p.target)
			p.write(h.bytes(), 0)
			p.opened(h)
			for i := range 20 {
				f := ping(fmt.Sprint("ping ", i))
				p.write(f.bytes(), 0)
				if m := p.next(); m.op != ws.OpPong || m.payload != f.payload {
					failf("opcode %d %q, want the pong %q", m.op, m.payload, f.payload)
				}
			}
			p.converse(dialog{})
		}},
		Case{Name: "RFC6455/5.5.2/no_pong_behind_a_close", run: dialog{
			send: stream(closing(1000, ""), ping("too late")), end: answers(1000),
		}.run},
		Case{Name: "RFC6455/5.5.2/ping_before_a_close_is_answered", Level: Chatd, run: dialog{
			send: stream(ping("in time"), closing(1000, "")), ping: []string{"in time"}, end: answers(1000),
		}.run},
		echoes("RFC6455/5.5.3/unasked_pong_is_not_answered", pong("unasked"), text("message")),
		echoes("RFC6455/5.5.3/unasked_empty_pong", pong(""), text("message")),
		echoes("RFC6455/5.5.3/unasked_long_pong", pong(filler(125)), text("message")),
		echoes("RFC6455/5.5.3/many_unasked_pongs", pong("1"), pong("2"), pong("3"), pong("4"), pong("5"), text("message"), pong("6"), ping("7")),
		echoes("RFC6455/5.5.3/unasked_pong_is_no_ping", pong("pong"), ping("ping"), pong("pong")),
	)
}

func manyPings(n int) []frame {
	all := make([]frame, n)
	for i := range all {
		all[i] = ping(fmt.Sprintf("ping %d of %d", i, n))
	}
	return all
}
