package conformance_test

import (
	"crypto/sha1"
	"encoding/base64"
	"path"
	"strings"
	"testing"
	"time"

	"chatd/room/conformance"
)

// sign is how a case tells of a fault.
type sign struct {
	cases string // a pattern of path.Match
	says  string // a part of the error
}

// What a case says of a server that should close the connection and does not,
// and of others that are caught at what they do then.
const (
	staysOpen = "the server does not close the connection"
	isTaken   = "that was not sent, or comes twice"
	isPonged  = "that answers no ping"
	is1000    = `close code 1000 "", want close code`
	is101     = "status 101 Switching Protocols, want 4"
	noUTF8    = "text that is no UTF-8"
	noPong    = "before the last ping is answered"
	noPongNow = "want the pong"
	noMessage = "i/o timeout) before 1 messages have come"
)

// planted are faults, with cases that are meant to find them. Of the signs that
// match a case the first counts.
var planted = []struct {
	fault
	signs []sign
}{
	{"answers the wrong key", []sign{{"RFC6455/1.3/*", "Sec-WebSocket-Accept"}, {"RFC6455/4.2.2/another_key_gets_another_accept", "Sec-WebSocket-Accept"}}},
	{"answers in HTTP/1.0", []sign{{"RFC6455/1.3/*", "HTTP/1.0, want HTTP/1.1"}, {"RFC6455/4.2.2/*key*", "HTTP/1.0, want HTTP/1.1"}}},
	{"takes any key", []sign{{"RFC6455/4.2.1/no_key", is101}}},
	{"takes any version", []sign{{"RFC6455/4.4/version_?", is101}}},
	{"says no date", []sign{{"RFC6455/4.4/version_?", "426 x with Date []"}}},
	{"invents a subprotocol", []sign{{"RFC6455/4.2.2/*subprotocol*", `subprotocol ["chat"], which the target does not speak`}}},
	{"invents an extension", []sign{{"RFC6455/4.2.2/extension_is_not_invented", "which were not offered"}, {"RFC6455/9.1/unknown_extension_is_declined", "which were not offered"}}},
	{"masks its frames", []sign{{"RFC6455/5.7/*", "a masked frame"}, {"RFC6455/5.2/text_of_*", "a masked frame"}}},
	{"sends reserved bits", []sign{{"RFC6455/5.7/*", "reserved bits 010"}, {"RFC6455/5.5.3/*", "reserved bits 010"}}},
	{"writes long lengths", []sign{{"RFC6455/5.2/text_of_12[45]_bytes", " in 2 bytes"}}},
	{"sends text as binary", []sign{{"RFC6455/5.6/types_take_turns", "opcode 2 \"text\" (4 bytes), want opcode 1"}}},
	{"loses empty messages", []sign{{"RFC6455/5.2/text_of_0_bytes", noMessage}, {"RFC6455/5.4/all_fragments_empty", noMessage}}},
	{"takes unmasked frames", []sign{{"RFC6455/5.1/unmasked_ping", isPonged}, {"RFC6455/5.1/unmasked_pong", staysOpen}, {"RFC6455/5.1/unmasked_close", is1000}, {"RFC6455/5.1/unmasked_*", isTaken}}},
	{"ignores reserved bits", []sign{
		{"RFC6455/5.2/reserved_bits_*_opcode_9", isPonged}, {"RFC6455/5.2/reserved_bits_*_opcode_10", staysOpen},
		{"RFC6455/5.2/reserved_bits_*_opcode_8", is1000}, {"RFC6455/5.2/reserved_bits_*", isTaken},
		{"RFC7692/6/reserved_bit_1_on_a_ping", isPonged}, {"RFC7692/6/reserved_bit_1_on_a_pong", staysOpen},
	}},
	{"takes reserved opcodes for text", []sign{{"RFC6455/5.2/reserved_opcode_?", "reserved opcode"}}},
	{"takes continuations of nothing", []sign{{"RFC6455/5.4/continuation_of_nothing_that_goes_on", staysOpen}, {"RFC6455/5.4/*continuation_*", "continuation of nothing"}}},
	{"takes messages within messages", []sign{{"RFC6455/5.4/fragmented_text_within_a_text", staysOpen}, {"RFC6455/5.4/*_within_a_*", isTaken}}},
	{"takes fragmented control frames", []sign{{"RFC6455/5.5/fragmented_*ping", isPonged}, {"RFC6455/5.5/fragmented_pong", staysOpen}, {"RFC6455/5.5/fragmented_close", is1000}}},
	{"takes long control frames", []sign{{"RFC6455/5.5/ping_of_*_bytes", "a control frame of "}, {"RFC6455/5.5/close_of_*_bytes", is1000}}},
	{"fragments control frames", []sign{{"RFC6455/5.5.2/*ping*", "a control frame that is fragmented"}, {"RFC6455/5.5.3/pong_has_the_*", "a control frame that is fragmented"}}},
	{"answers no pings", []sign{{"RFC6455/5.4/ping_between_fragments_is_answered_before_the_message_ends", noPongNow}, {"RFC6455/5.5.2/ping_*", noPong}, {"RFC6455/5.4/*ping*", noPong}}},
	{"answers pongs", []sign{{"RFC6455/5.5.3/unasked_*", isPonged}}},
	{"takes any close code", []sign{
		{"RFC6455/7.4.2/close_code_0_is_refused", staysOpen}, {"RFC6455/7.4.1/close_code_1005_is_refused", `close code 0 "", want close code 1002`},
		{"RFC6455/7.4.[12]/*_is_refused", "which may not be sent"},
	}},
	{"takes any close reason", []sign{{"RFC6455/5.5.1/close_reason_*", `"", want close code 1007`}}},
	{"closes with 1000 always", []sign{{"RFC6455/7.4/close_code_[34]*", is1000}, {"RFC6455/8.1/invalid_*", is1000}, {"RFC6455/5.1/*", is1000}}},
	{"closes with 1005", []sign{{"RFC6455/7.4/close_code_*", "close code 1005, which"}, {"RFC6455/7.1.1/*", "close code 1005, which"}}},
	{"closes with a byte", []sign{{"RFC6455/7.4/close_code_*", "a close frame of one byte"}}},
	{"closes with a reason that is no UTF-8", []sign{{"RFC6455/7.4/close_code_*", "a close reason that is no UTF-8"}}},
	{"closes without a close frame", []sign{{"RFC6455/7.4/close_code_*", "the stream's end (EOF), want"}, {"RFC6455/5.5.1/*", "the stream's end (EOF), want"}}},
	{"speaks behind its close frame", []sign{{"RFC6455/5.5.1/*_is_ignored", "opcode 1 behind the close frame"}, {"RFC6455/7.1.1/*", "opcode 1 behind the close frame"}}},
	{"resets connections", []sign{{"RFC6455/7.1.1/*", "is not closed cleanly"}}},
	{"never closes TCP", []sign{{"RFC6455/7.1.1/server_ends_the_stream_behind_an_empty_close", staysOpen}, {"RFC6455/7.4/close_code_1000_is_answered", staysOpen}}},
	{"does not check UTF-8", []sign{{"RFC6455/8.1/invalid_*", noUTF8}, {"RFC6455/8.1/compressed_text_*", noUTF8}}},
	{"does not check inflated UTF-8", []sign{{"RFC6455/8.1/compressed_text_*", noUTF8}}},
	{"takes messages of any size", []sign{{"RFC6455/10.4/compressed_form_far_over_the_limit", "want close code 1009"}, {"RFC6455/10.4/*over_the_limit", isTaken}, {"RFC6455/10.4/*inflates_to_one_byte_more", isTaken}}},
	{"compresses in one context", []sign{{"RFC7692/7.1.1.1/no_message_of_the_server_refers_to_another_one", "a message that can't be inflated"}}},
	{"forgets the compression bit", []sign{{"RFC7692/7.2/text_of_1000_bytes", noUTF8}, {"RFC7692/6.1/uncompressed_text_that_shrinks_comes_compressed", noUTF8}}},
}

// TestEveryPlantedFaultIsFound shows that the cases can fail: a server without
// a fault passes them, one with the fault none of them.
func TestEveryPlantedFaultIsFound(t *testing.T) {
	sound := serveFaulty(t, "")
	all := conformance.Cases()
	for _, p := range planted {
		t.Run(string(p.fault), func(t *testing.T) {
			bad, seen := serveFaulty(t, p.fault), map[string]bool{}
			for _, sign := range p.signs {
				found := false
				for _, c := range all {
					if ok, err := path.Match(sign.cases, c.Name); err != nil {
						t.Fatal(err)
					} else if !ok || seen[c.Name] {
						continue
					}
					found, seen[c.Name] = true, true
					if err := c.Run(sound); err != nil {
						t.Errorf("%s fails without the fault: %v", c.Name, err)
					}
					bad.Patience = sign.patience()
					if err := c.Run(bad); err == nil || !strings.Contains(err.Error(), sign.says) {
						t.Errorf("%s: %v, want %s", c.Name, err, sign.says)
					}
				}
				if !found {
					t.Errorf("no case %s", sign.cases)
				}
			}
		})
	}
}

// Over TLS the end of the stream is what TLS says of it.
func TestCasesAreTheSameOverTLS(t *testing.T) {
	sound, bad := serveFaultyTLS(t, ""), serveFaultyTLS(t, "does not say that TLS ends")
	plain := sound
	plain.TLS, plain.Patience = nil, soon
	ran := 0
	for _, c := range conformance.Cases() {
		if ok, err := path.Match("RFC6455/7.1.1/*", c.Name); err != nil || !ok {
			continue
		}
		ran++
		if err := c.Run(sound); err != nil {
			t.Errorf("%s fails without the fault: %v", c.Name, err)
		}
		if err := c.Run(bad); err == nil || !strings.Contains(err.Error(), "without close_notify") {
			t.Errorf("%s: %v", c.Name, err)
		}
		if err := c.Run(plain); err == nil || !strings.Contains(err.Error(), "no HTTP response") {
			t.Errorf("%s, without TLS: %v", c.Name, err)
		}
	}
	if ran == 0 {
		t.Error("there are no such cases")
	}
}

// patience is short where the fault is silence: nothing comes, however long one
// waits.
func (s sign) patience() time.Duration {
	switch s.says {
	case staysOpen, noMessage, noPong, noPongNow:
		return soon
	}
	return 0
}

// acceptOf is the answer to a Sec-WebSocket-Key (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
