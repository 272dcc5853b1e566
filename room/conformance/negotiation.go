package conformance

import "fmt"

// offers is a change to an opening handshake: permessage-deflate, with
// parameters that begin with a semicolon, is offered.
func offers(parameters string) change {
	return add("Sec-WebSocket-Extensions", "permessage-deflate"+parameters)
}

// agrees is that the server agrees to an offer, which others need not, and that
// then a compressed message comes back.
func agrees(name string, changes ...change) Case {
	return agreesTo(name, func(agreement) bool { return true }, changes...)
}

// agreesTo is the same; chatd answers what is as wanted.
func agreesTo(name string, wanted func(agreement) bool, changes ...change) Case {
	return Case{Name: name, Needs: Deflate, run: func(p *peer) {
		h := newHead(p.target, changes...)
		p.write(h.bytes(), 0)
		p.opened(h)
		m := text(filler(300))
		sent := m
		switch {
		case p.agreed != nil:
			sent = zipped(m)
		case p.target.Strict:
			failf("the offer is declined")
		}
		if p.agreed != nil && p.target.Strict && !wanted(*p.agreed) {
			failf("agreed to %+v", *p.agreed)
		}
		p.converse(dialog{send: sent.bytes(), echo: messages(m)})
	}}
}

// declines is that the server agrees to no offer, but to the connection, and
// that compressed messages are then no messages.
func declines(name string, changes ...change) Case {
	return Case{Name: name, run: func(p *peer) {
		h := newHead(p.target, changes...)
		p.write(h.bytes(), 0)
		p.opened(h)
		if p.agreed != nil {
			failf("the offer is agreed to: %+v", *p.agreed)
		}
		p.converse(dialog{send: stream(text("plain"), zipped(text("compressed"))), echo: messages(text("plain")), end: fails(protocolError...)})
	}}
}

// zipped is f compressed.
func zipped(f frame) frame {
	f.payload, f.rsv = deflated(f.payload), rsv1
	return f
}

// alone is that no message refers to another one.
func alone(a agreement) bool { return a.serverNoContextTakeover && a.clientNoContextTakeover }

func negotiationCases() []Case {
	all := []Case{
		agrees("RFC7692/7.1/offer_without_parameters", offers("")),
		agrees("RFC7692/7.1/offer_of_chromium", offers("; client_max_window_bits")),
		agrees("RFC7692/7.1/offer_of_all_parameters", offers("; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15; client_max_window_bits")),
		agreesTo("RFC7692/7.1.1.1/server_no_context_takeover_is_granted", alone, offers("; server_no_context_takeover")),
		agreesTo("RFC7692/7.1.1.2/client_no_context_takeover_is_granted", alone, offers("; client_no_context_takeover")),
		agreesTo("RFC7692/7.1.1/both_no_context_takeover_are_granted", alone, offers("; client_no_context_takeover; server_no_context_takeover")),
		agreesTo("RFC7692/7.1.1.2/client_no_context_takeover_is_asked_for_without_an_offer_of_it", alone, offers("")),
		agreesTo("RFC7692/7.1.2.1/server_max_window_bits_of_15_is_granted", func(a agreement) bool { return a.serverMaxWindowBits == 15 }, offers("; server_max_window_bits=15")),
		agrees("RFC7692/7.1.2.2/client_max_window_bits_without_a_value", offers("; client_max_window_bits")),
		agrees("RFC6455/9.1/quoted_value", offers(`; client_max_window_bits="12"`)),
		agrees("RFC6455/9.1/quoted_value_of_the_server", offers(`; server_max_window_bits="15"`)),
		opens("RFC6455/9.1/quoted_value_with_an_escape_is_no_violation", offers(`; client_max_window_bits="1\2"`)),
		agrees("RFC6455/9.1/offer_with_space_around_everything", add("Sec-WebSocket-Extensions", " \tpermessage-deflate ; client_max_window_bits = 15 ;  server_no_context_takeover ")),
		agrees("RFC6455/9.1/offer_with_no_space", offers(";client_max_window_bits;server_no_context_takeover")),
		agrees("RFC6455/9.1/offer_with_its_field_name_in_lower_case", add("sec-websocket-extensions", "permessage-deflate")),

		agrees("RFC7692/5/second_offer_when_the_first_is_not_acceptable", offers("; unknown, permessage-deflate")),
		agrees("RFC7692/5/third_offer", offers("; unknown, permessage-deflate; server_max_window_bits=7, permessage-deflate; client_no_context_takeover")),
		agrees("RFC7692/5/offer_in_a_second_field", offers("; unknown"), offers("")),
		agrees("RFC7692/5/offer_behind_another_extension", add("Sec-WebSocket-Extensions", "x-webkit-deflate-frame, permessage-deflate")),
		agrees("RFC7692/5/offer_before_another_extension", offers(", x-other; a=1")),
		agreesTo("RFC7692/5/first_of_two_acceptable_offers", func(a agreement) bool { return a.serverMaxWindowBits == 15 }, offers("; server_max_window_bits=15, permessage-deflate")),
		agreesTo("RFC7692/5/first_of_two_acceptable_offers_the_other_way_round", func(a agreement) bool { return a.serverMaxWindowBits == 0 }, offers(", permessage-deflate; server_max_window_bits=15")),
		agrees("RFC7692/7.1.2.1/offer_to_fall_back_to", offers("; server_max_window_bits=10, permessage-deflate")),

		declines("RFC7692/5/no_offer_no_extension"),
		declines("RFC7692/5/extension_with_a_similar_name", add("Sec-WebSocket-Extensions", "permessage-deflate2")),
		declines("RFC7692/5/other_extension_with_the_same_parameters", add("Sec-WebSocket-Extensions", "permessage-bzip2; client_max_window_bits")),
		declines("RFC7692/7/unknown_parameter", offers("; unknown")),
		declines("RFC7692/7/unknown_parameter_with_a_value", offers("; unknown=1")),
		declines("RFC7692/7/unknown_parameter_among_others", offers("; client_max_window_bits; mem_level=8; server_no_context_takeover")),
		declines("RFC7692/7/server_no_context_takeover_twice", offers("; server_no_context_takeover; server_no_context_takeover")),
		declines("RFC7692/7/client_no_context_takeover_twice", offers("; client_no_context_takeover; client_no_context_takeover")),
		declines("RFC7692/7/server_max_window_bits_twice", offers("; server_max_window_bits=15; server_max_window_bits=15")),
		declines("RFC7692/7/client_max_window_bits_twice", offers("; client_max_window_bits; client_max_window_bits=15")),
		declines("RFC7692/7.1.1.1/server_no_context_takeover_with_a_value", offers("; server_no_context_takeover=1")),
		declines("RFC7692/7.1.1.1/server_no_context_takeover_with_a_quoted_value", offers(`; server_no_context_takeover="true"`)),
		declines("RFC7692/7.1.1.2/client_no_context_takeover_with_a_value", offers("; client_no_context_takeover=true")),
		declines("RFC7692/7.1.2.1/server_max_window_bits_without_a_value", offers("; server_max_window_bits")),
		declines("RFC7692/7/two_offers_and_none_is_acceptable", offers("; unknown, permessage-deflate; server_max_window_bits=16")),

		refuses("RFC6455/9.1/offer_that_ends_in_a_semicolon_is_malformed", 400, offers(";")),
		refuses("RFC6455/9.1/offer_with_an_empty_parameter_is_malformed", 400, offers(";; client_max_window_bits")),
		refuses("RFC6455/9.1/offer_with_a_parameter_of_no_value_behind_the_equals_sign_is_malformed", 400, offers("; client_max_window_bits=")),
	}
	for bits := 8; bits <= 15; bits++ {
		all = append(all, agrees(fmt.Sprintf("RFC7692/7.1.2.2/client_max_window_bits_of_%d", bits), offers(fmt.Sprintf("; client_max_window_bits=%d", bits))))
	}
	for bits := 8; bits <= 14; bits++ { // others may agree to them
		all = append(all, declines(fmt.Sprintf("RFC7692/7.1.2.1/server_max_window_bits_of_%d_is_declined", bits), offers(fmt.Sprintf("; server_max_window_bits=%d", bits))).at(Chatd))
	}
	for _, bad := range []string{"0", "7", "16", "08", "015", "-8", "1.5e1", "x", "9999999999999999999"} {
		all = append(all,
			declines("RFC7692/7.1.2.1/server_max_window_bits_of_"+bad+"_is_not_valid", offers("; server_max_window_bits="+bad)),
			declines("RFC7692/7.1.2.2/client_max_window_bits_of_"+bad+"_is_not_valid", offers("; client_max_window_bits="+bad)),
		)
	}
	for i := range all {
		all[i].Needs |= Deflate // without, there is nothing to decline, either, but:
	}
	without := declines("RFC7692/5/offer_is_declined_where_there_is_no_compression", offers("; client_max_window_bits"))
	return append(all, Case{Name: without.Name, run: func(p *peer) {
		if p.target.Deflate {
			panic(failure{ErrSkipped})
		}
		without.run(p)
	}})
}
