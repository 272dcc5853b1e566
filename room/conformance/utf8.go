package conformance

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// The close codes for text that is no UTF-8: 1007 is made for it (RFC 6455
// §7.4.1), but the RFC asks only that the connection fails (§8.1).
var badText = []int{1007, 1002, 1003}

// goodUTF8 are sequences that are valid, by name.
var goodUTF8 = [][2]string{
	{"kosme", "κόσμε"},
	{"first_of_1_byte", "\x00"},
	{"first_of_2_bytes", "\u0080"},
	{"first_of_3_bytes", "\u0800"},
	{"first_of_4_bytes", "\U00010000"},
	{"last_of_1_byte", "\x7f"},
	{"last_of_2_bytes", "\u07ff"},
	{"last_of_3_bytes", "\uffff"},
	{"last_of_4_bytes", "\U0010ffff"},
	{"last_before_the_surrogates", "\ud7ff"},
	{"first_behind_the_surrogates", "\ue000"},
	{"last_of_the_private_use", "\uf8ff"},
	{"replacement_character", "\ufffd"},
	{"noncharacter_fffe", "\ufffe"},
	{"noncharacter_fdd0", "\ufdd0"},
	{"noncharacter_1fffe", "\U0001fffe"},
	{"noncharacter_10fffe", "\U0010fffe"},
	{"byte_order_mark", "\ufefftext"},
	{"combining_characters", "e\u0301a\u0308"},
	{"right_to_left", "שלום עליכם"},
	{"joined_emoji", "👨‍👩‍👧‍👦"},
	{"bytes_c2_80_and_df_bf", "\xc2\x80\xdf\xbf"},
	{"bytes_e0_a0_80_and_ef_bf_bf", "\xe0\xa0\x80\xef\xbf\xbf"},
	{"bytes_f0_90_80_80_and_f4_8f_bf_bf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
	{"16_bit_edge_in_characters_of_3_bytes", strings.Repeat("€", 21846)[:65535]},
	{"characters_of_each_length", "a\u0080\u0800\U00010000"},
}

// badUTF8 are sequences that are not, in the classes of Markus Kuhn's stress
// test for decoders.
var badUTF8 = [][2]string{
	{"lone_continuation_80", "\x80"},
	{"lone_continuation_bf", "\xbf"},
	{"lone_continuations_2", "\x80\xbf"},
	{"lone_continuations_3", "\x80\xbf\x80"},
	{"lone_continuations_6", "\x80\xbf\x80\xbf\x80\xbf"},
	{"continuation_behind_ascii", "a\x80"},
	{"continuation_behind_a_character", "é\x80"},
	{"all_continuations", everyByte()[0x80:0xc0]},
	{"all_firsts_of_2_bytes_each_before_a_space", firsts(0xc0, 0xe0)},
	{"all_firsts_of_3_bytes_each_before_a_space", firsts(0xe0, 0xf0)},
	{"all_firsts_of_4_bytes_each_before_a_space", firsts(0xf0, 0xf8)},
	{"all_firsts_of_5_bytes_each_before_a_space", firsts(0xf8, 0xfc)},
	{"all_firsts_of_6_bytes_each_before_a_space", firsts(0xfc, 0xfe)},
	{"cut_2_bytes", "\xc3"},
	{"cut_3_bytes_to_1", "\xe2"},
	{"cut_3_bytes_to_2", "\xe2\x82"},
	{"cut_4_bytes_to_1", "\xf0"},
	{"cut_4_bytes_to_2", "\xf0\x9f"},
	{"cut_4_bytes_to_3", "\xf0\x9f\x98"},
	{"cut_first_of_3_bytes", "\xe0\xa0"},
	{"cut_last_of_3_bytes", "\xef\xbf"},
	{"cut_first_of_4_bytes", "\xf0\x90\x80"},
	{"cut_last_of_4_bytes", "\xf4\x8f\xbf"},
	{"cut_before_ascii", "\xe2\x82a"},
	{"cut_before_another", "\xe2\x82\xe2\x82\xac"},
	{"cut_ones_in_a_row", "\xc3\xe2\x82\xf0\x9f\x98"},
	{"impossible_fe", "\xfe"},
	{"impossible_ff", "\xff"},
	{"impossible_fe_fe_ff_ff", "\xfe\xfe\xff\xff"},
	{"impossible_c0", "\xc0\x80"},
	{"impossible_c1", "\xc1\xbf"},
	{"impossible_f5", "\xf5\x80\x80\x80"},
	{"impossible_f7", "\xf7\xbf\xbf\xbf"},
	{"overlong_slash_2_bytes", "\xc0\xaf"},
	{"overlong_slash_3_bytes", "\xe0\x80\xaf"},
	{"overlong_slash_4_bytes", "\xf0\x80\x80\xaf"},
	{"overlong_slash_5_bytes", "\xf8\x80\x80\x80\xaf"},
	{"overlong_slash_6_bytes", "\xfc\x80\x80\x80\x80\xaf"},
	{"overlong_last_2_bytes", "\xc1\xbf"},
	{"overlong_last_3_bytes", "\xe0\x9f\xbf"},
	{"overlong_last_4_bytes", "\xf0\x8f\xbf\xbf"},
	{"overlong_last_5_bytes", "\xf8\x87\xbf\xbf\xbf"},
	{"overlong_last_6_bytes", "\xfc\x83\xbf\xbf\xbf\xbf"},
	{"overlong_nul_2_bytes", "\xc0\x80"},
	{"overlong_nul_3_bytes", "\xe0\x80\x80"},
	{"overlong_nul_4_bytes", "\xf0\x80\x80\x80"},
	{"surrogate_d800", "\xed\xa0\x80"},
	{"surrogate_db7f", "\xed\xad\xbf"},
	{"surrogate_db80", "\xed\xae\x80"},
	{"surrogate_dbff", "\xed\xaf\xbf"},
	{"surrogate_dc00", "\xed\xb0\x80"},
	{"surrogate_df80", "\xed\xbe\x80"},
	{"surrogate_dfff", "\xed\xbf\xbf"},
	{"surrogate_pair_d800_dc00", "\xed\xa0\x80\xed\xb0\x80"},
	{"surrogate_pair_dbff_dfff", "\xed\xaf\xbf\xed\xbf\xbf"},
	{"surrogate_pair_db7f_dc00", "\xed\xad\xbf\xed\xb0\x80"},
	{"beyond_unicode_110000", "\xf4\x90\x80\x80"},
	{"beyond_unicode_13ffff", "\xf4\xbf\xbf\xbf"},
	{"beyond_unicode_1fffff", "\xf7\xbf\xbf\xbf"},
	{"beyond_unicode_first_of_5_bytes", "\xf8\x88\x80\x80\x80"},
	{"beyond_unicode_first_of_6_bytes", "\xfc\x84\x80\x80\x80\x80"},
	{"beyond_unicode_last_of_6_bytes", "\xfd\xbf\xbf\xbf\xbf\xbf"},
	{"latin_1", "caf\xe9"},
	{"utf_16_little_endian", "\xff\xfeh\x00i\x00"},
	{"bad_in_the_middle", "good \xff good"},
	{"bad_at_the_end_of_a_long_text", filler(65535) + "\xff"},
	{"bad_at_the_beginning_of_a_long_text", "\xff" + filler(65535)},
	{"bad_at_byte_8_of_ascii", "12345678\x80"},
	{"bad_between_words_of_8_bytes", filler(63) + "\xff" + filler(64)},
	{"character_cut_at_65536_bytes", filler(65534) + "\xe2\x82"},
}

// firsts are the bytes from one to before another, each before a space.
func firsts(from, to byte) string {
	var b strings.Builder
	for c := from; c < to; c++ {
		b.Write([]byte{c, ' '})
	}
	return b.String()
}

func utf8Cases() []Case {
	var all []Case
	for _, s := range goodUTF8 {
		all = append(all, echoes("RFC6455/8.1/valid_"+s[0], text(s[1])))
	}
	for _, s := range badUTF8 {
		all = append(all, violates("RFC6455/8.1/invalid_"+s[0], badText, text("before"), text(s[1])))
	}
	character := "😀" // of 4 bytes
	for cut := 1; cut < len(character); cut++ {
		all = append(all,
			echoes(fmt.Sprintf("RFC6455/8.1/valid_character_cut_by_a_fragment_at_byte_%d", cut), fragments(ws.OpText, "a"+character[:cut], character[cut:]+"b")...),
			violates(fmt.Sprintf("RFC6455/8.1/invalid_character_that_ends_with_the_message_at_byte_%d", cut), badText, fragments(ws.OpText, "a", character[:cut])...),
			violates(fmt.Sprintf("RFC6455/8.1/invalid_character_that_an_empty_fragment_ends_at_byte_%d", cut), badText, fragments(ws.OpText, character[:cut], "")...),
		)
	}
	return append(all,
		echoes("RFC6455/8.1/valid_text_of_fragments_of_one_byte", fragments(ws.OpText, singles("κόσμε € 😀 \U0010ffff")...)...),
		echoes("RFC6455/8.1/valid_character_cut_by_empty_fragments", fragments(ws.OpText, character[:2], "", "", character[2:])...),
		echoes("RFC6455/8.1/valid_character_cut_by_a_ping", within(fragments(ws.OpText, character[:1], character[1:]), 1, ping("\xff\xfe"))...),
		echoesInPieces("RFC6455/8.1/valid_character_cut_between_segments", 1001, text(strings.Repeat("€", 10000))),
		echoesInPieces("RFC6455/8.1/valid_text_byte_by_byte", 1, text("κόσμε € 😀")),
		violates("RFC6455/8.1/invalid_in_the_first_of_two_fragments", badText, fragments(ws.OpText, "a\xff", "b")...),
		violates("RFC6455/8.1/invalid_in_the_last_of_two_fragments", badText, fragments(ws.OpText, "a", "b\xff")...),
		violates("RFC6455/8.1/invalid_in_the_middle_fragment", badText, fragments(ws.OpText, "a", "\xc0\xaf", "c")...),
		violates("RFC6455/8.1/invalid_over_two_fragments", badText, fragments(ws.OpText, "\xe2\x82", "x")...),
		violates("RFC6455/8.1/invalid_character_that_begins_anew", badText, fragments(ws.OpText, "\xe2\x82", "\xe2\x82\xac")...),
		violates("RFC6455/8.1/invalid_surrogate_over_two_fragments", badText, fragments(ws.OpText, "\xed", "\xa0\x80")...),
		violates("RFC6455/8.1/invalid_overlong_over_two_fragments", badText, fragments(ws.OpText, "\xc0", "\xaf")...),
		violates("RFC6455/8.1/invalid_beyond_unicode_over_two_fragments", badText, fragments(ws.OpText, "\xf4", "\x90\x80\x80")...),
		violates("RFC6455/8.1/invalid_text_of_fragments_of_one_byte", badText, fragments(ws.OpText, singles("κόσμε\xed\xa0\x80")...)...),
		violates("RFC6455/8.1/invalid_behind_valid_messages", badText, text("κόσμε"), text("€"), text("\xf8\x88\x80\x80\x80")),
		Case{Name: "RFC6455/8.1/two_messages_do_not_make_a_character", run: dialog{
			send: stream(text("\xe2"), text("\x82\xac")), end: fails(badText...),
		}.run},
		violates("RFC6455/8.1/first_fragment_fails_before_the_last_comes", badText, frame{op: ws.OpText, payload: "a\xffb", more: true}).at(Chatd),
		violates("RFC6455/8.1/second_fragment_fails_before_the_last_comes", badText,
			frame{op: ws.OpText, payload: "\xe2\x82", more: true}, frame{op: ws.OpContinuation, payload: "x", more: true}).at(Chatd),
		violates("RFC6455/8.1/surrogate_fails_at_its_second_byte", badText, frame{op: ws.OpText, payload: "\xed\xa0", more: true}).at(Chatd),

		echoes("RFC6455/5.6/binary_is_not_checked", data("\xff\xfe\xc0\xaf\xed\xa0\x80")),
		echoes("RFC6455/5.6/fragmented_binary_is_not_checked", fragments(ws.OpBinary, "\xe2\x82", "\xff", "\x80")...),
		echoes("RFC6455/5.6/ping_is_not_checked", ping("\xff\xc0\x80")),
		echoes("RFC6455/5.6/pong_is_not_checked", pong("\xff\xc0\x80"), text("message")),
	)
}
