package handshake

import (
	"fmt"
	"strings"
	"testing"
)

func TestDeflateOffersAreAnsweredByTheRules(t *testing.T) {
	const (
		plain  = "permessage-deflate;server_no_context_takeover;client_no_context_takeover"
		window = plain + ";server_max_window_bits=15"
	)
	for _, tt := range []struct{ rule, offer, answer string }{
		{"§7.1 bare", "permessage-deflate", plain},
		{"§7.1 as browsers", "permessage-deflate; client_max_window_bits", plain},
		{"§7.1.1.1 server_no_context_takeover", "permessage-deflate; server_no_context_takeover", plain},
		{"§7.1.1.2 client_no_context_takeover", "permessage-deflate; client_no_context_takeover", plain},
		{"§7.1.2.1 the largest window", "permessage-deflate; server_max_window_bits=15", window},
		{"§7.1.2.1 a quoted window", `permessage-deflate; server_max_window_bits="15"`, window},
		{"§7.1.2.1 a quoted and escaped window", `permessage-deflate; server_max_window_bits="1\5"`, window},
		{"RFC 9110 §5.6.1 empty elements", ", ,permessage-deflate,,", plain},
		{"RFC 9110 §5.6.3 space anywhere", "x-other ;\ta = b\t, permessage-deflate ; client_max_window_bits", plain},
		{"§7.1.2.1 a smaller window is declined", "permessage-deflate; server_max_window_bits=10", ""},
		{"§7.1.2.1 a window without a value is declined", "permessage-deflate; server_max_window_bits", ""},
		{"§7.1.2.1 a leading zero is declined", "permessage-deflate; server_max_window_bits=015", ""},
		{"§7.1.2.2 a window of the client's", "permessage-deflate; client_max_window_bits=9", plain},
		{"§7.1.2.2 too small", "permessage-deflate; client_max_window_bits=7", ""},
		{"§7.1.2.2 too large", "permessage-deflate; client_max_window_bits=16", ""},
		{"§7 unknown parameter", "permessage-deflate; turbo", ""},
		{"§7 a value for none", "permessage-deflate; server_no_context_takeover=1", ""},
		{"§7 twice", "permessage-deflate; client_max_window_bits; client_max_window_bits", ""},
		{"§7 twice with other values", "permessage-deflate; client_max_window_bits=10; client_max_window_bits=11", ""},
		{"§5 the first acceptable offer", "permessage-deflate; server_max_window_bits=8, permessage-deflate", plain},
		{"§5 the next offer", "x-other, permessage-deflate; turbo, permessage-deflate; server_max_window_bits=15", window},
		{"§5 another extension", "x-webkit-deflate-frame", ""},
		{"RFC 6455 §9.1 in two fields", "x-other\r\nSec-WebSocket-Extensions: permessage-deflate", plain},
		{"RFC 6455 §9.1 beside a field without any", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: ,", plain},
		{"RFC 6455 §9.1 name in another case", "Permessage-Deflate", ""},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			r := server.Look([]byte(add("Sec-WebSocket-Extensions: " + tt.offer)))
			if r.Verdict != Upgrade || r.Deflate != (tt.answer != "") {
				t.Fatalf("verdict %v, deflate %v\n%s", r.Verdict, r.Deflate, r.Response)
			}
			line := fmt.Sprintf("\r\nSec-WebSocket-Extensions: %s\r\n", tt.answer)
			if has := strings.Contains(string(r.Response), "Extensions"); has != r.Deflate || has && !strings.Contains(string(r.Response), line) {
				t.Fatalf("want %q in\n%s", tt.answer, r.Response)
			}
		})
	}
}

func TestDeflateIsNotAgreedToUnlessItIsOn(t *testing.T) {
	off := &Handshake{Path: "/ws", MaxHead: DefaultMaxHead}
	r := off.Look([]byte(add("Sec-WebSocket-Extensions: permessage-deflate")))
	if r.Verdict != Upgrade || r.Deflate || strings.Contains(string(r.Response), "Extensions") {
		t.Fatalf("%+v\n%s", r, r.Response)
	}
}

func TestMalformedExtensionsAreRefused(t *testing.T) {
	for _, value := range []string{"a;;b", "=", "permessage-deflate; =15", `a; b="`, `a; b="\`, "a b", "a;", "a; b=", `a, "`, `a; b="c d"`, `a; b=""`, "a; b=c d", "(a)",
		"", ",", ", ,", "\r\nSec-WebSocket-Extensions: ,", "a;;b\r\nSec-WebSocket-Extensions: a", "a\r\nSec-WebSocket-Extensions: a;;b"} {
		if r := server.Look([]byte(add("Sec-WebSocket-Extensions: " + value))); r.Verdict != Refuse || r.Reason != "extensions" {
			t.Errorf("%q: verdict %v, reason %s", value, r.Verdict, r.Reason)
		}
	}
}

func TestMalformedSubprotocolsAreRefused(t *testing.T) { // RFC 6455 §11.3.4
	for value, reason := range map[string]string{
		"chat": "", "soap, wamp": "", ",\tchat ,,": "", "chat\r\nSec-WebSocket-Protocol:": "", "\r\nSec-WebSocket-Protocol: chat": "",
		"chat, chat": "", // the client's rule alone (§4.1)
		"":           "subprotocol", ",": "subprotocol", "a b": "subprotocol", `;;"(`: "subprotocol", `"a"`: "subprotocol", "a;b": "subprotocol",
		"(a)": "subprotocol", "a/b": "subprotocol", "\xff": "subprotocol", "a, b c": "subprotocol",
		"\r\nSec-WebSocket-Protocol:": "subprotocol", "a b\r\nSec-WebSocket-Protocol: c": "subprotocol", "c\r\nSec-WebSocket-Protocol: a b": "subprotocol",
	} {
		if r := server.Look([]byte(add("Sec-WebSocket-Protocol: " + value))); r.Reason != reason || (r.Verdict == Upgrade) != (reason == "") {
			t.Errorf("%q: verdict %v, reason %q, want %q", value, r.Verdict, r.Reason, reason)
		}
	}
}
