package conformance_test

import (
	"crypto/sha1"
	"encoding/base64"
	"path"
	"testing"

	"chatd/room/conformance"
)

// planted are faults, with cases that are meant to find them.
var planted = []struct {
	fault
	cases []string // patterns of path.Match
}{
	{"answers the wrong key", []string{"RFC6455/1.3/*", "RFC6455/4.2.2/another_key_gets_another_accept"}},
	{"takes any key", []string{"RFC6455/4.2.1/no_key"}},
	{"takes any version", []string{"RFC6455/4.4/version_?"}},
	{"invents a subprotocol", []string{"RFC6455/4.2.2/*subprotocol*"}},
	{"invents an extension", []string{"RFC6455/4.2.2/extension_is_not_invented", "RFC6455/9.1/unknown_extension_is_declined"}},
	{"masks its frames", []string{"RFC6455/5.7/*", "RFC6455/5.2/text_of_*"}},
	{"sends reserved bits", []string{"RFC6455/5.7/*", "RFC6455/5.5.3/*"}},
	{"writes long lengths", []string{"RFC6455/5.2/text_of_12[45]_bytes"}},
	{"sends text as binary", []string{"RFC6455/5.6/types_take_turns"}},
	{"loses empty messages", []string{"RFC6455/5.2/text_of_0_bytes", "RFC6455/5.4/all_fragments_empty"}},
	{"takes unmasked frames", []string{"RFC6455/5.1/unmasked_*"}},
	{"ignores reserved bits", []string{"RFC6455/5.2/reserved_bits_*", "RFC7692/6/reserved_bit_1_on_a_p*"}},
	{"takes reserved opcodes for text", []string{"RFC6455/5.2/reserved_opcode_?"}},
	{"takes continuations of nothing", []string{"RFC6455/5.4/*continuation_*"}},
	{"takes messages within messages", []string{"RFC6455/5.4/*_within_a_*"}},
	{"takes fragmented control frames", []string{"RFC6455/5.5/fragmented_*"}},
	{"takes long control frames", []string{"RFC6455/5.5/ping_of_*_bytes", "RFC6455/5.5/close_of_*_bytes"}},
	{"fragments control frames", []string{"RFC6455/5.5.2/*ping*", "RFC6455/5.5.3/pong_has_the_*"}},
	{"answers no pings", []string{"RFC6455/5.5.2/ping_*", "RFC6455/5.4/*ping*"}},
	{"answers pongs", []string{"RFC6455/5.5.3/unasked_*"}},
	{"takes any close code", []string{"RFC6455/7.4.[12]/*_is_refused"}},
	{"takes any close reason", []string{"RFC6455/5.5.1/close_reason_*"}},
	{"closes with 1000 always", []string{"RFC6455/7.4/close_code_[34]*", "RFC6455/8.1/invalid_*", "RFC6455/5.1/*"}},
	{"closes with 1005", []string{"RFC6455/7.4/close_code_*", "RFC6455/7.1.1/*"}},
	{"closes with a byte", []string{"RFC6455/7.4/close_code_*"}},
	{"closes with a reason that is no UTF-8", []string{"RFC6455/7.4/close_code_*"}},
	{"closes without a close frame", []string{"RFC6455/7.4/close_code_*", "RFC6455/5.5.1/*"}},
	{"speaks behind its close frame", []string{"RFC6455/5.5.1/*_is_ignored", "RFC6455/7.1.1/*"}},
	{"resets connections", []string{"RFC6455/7.1.1/*"}},
	{"never closes TCP", []string{"RFC6455/7.1.1/server_ends_the_stream_behind_an_empty_close", "RFC6455/7.4/close_code_1000_is_answered"}},
	{"does not check UTF-8", []string{"RFC6455/8.1/invalid_*", "RFC6455/8.1/compressed_text_*"}},
	{"does not check inflated UTF-8", []string{"RFC6455/8.1/compressed_text_*"}},
	{"takes messages of any size", []string{"RFC6455/10.4/*over_the_limit", "RFC6455/10.4/*inflates_to_one_byte_more"}},
	{"compresses in one context", []string{"RFC7692/7.1.1.1/no_message_of_the_server_refers_to_another_one"}},
	{"forgets the compression bit", []string{"RFC7692/7.2/text_of_1000_bytes", "RFC7692/6.1/uncompressed_text_that_shrinks_comes_compressed"}},
}

// TestEveryPlantedFaultIsFound shows that the cases can fail: a server without
// a fault passes them, one with the fault none of them.
func TestEveryPlantedFaultIsFound(t *testing.T) {
	sound := serveFaulty(t, "")
	all := conformance.Cases()
	for _, p := range planted {
		t.Run(string(p.fault), func(t *testing.T) {
			bad := serveFaulty(t, p.fault)
			bad.Patience = soon
			for _, pattern := range p.cases {
				matched := 0
				for _, c := range all {
					if ok, err := path.Match(pattern, c.Name); err != nil {
						t.Fatal(err)
					} else if !ok {
						continue
					}
					matched++
					if err := c.Run(sound); err != nil {
						t.Errorf("%s fails without the fault: %v", c.Name, err)
					}
					if err := c.Run(bad); err == nil {
						t.Errorf("%s passes in spite of the fault", c.Name)
					}
				}
				if matched == 0 {
					t.Errorf("no case %s", pattern)
				}
			}
		})
	}
}

// acceptOf is the answer to a Sec-WebSocket-Key (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
