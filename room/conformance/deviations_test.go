package conformance_test

// What gorilla/websocket 1.5.3 does differently.
var gorillaDeviations = []deviation{
	{"RFC6455/4.2.1/http_1.0", "Upgrade does not look at the request's protocol, and net/http takes HTTP/1.0"},
	{"RFC6455/4.2.1/upgrade_token_in_a_list_with_empty_elements", "tokenListContainsValue gives up at an empty element (RFC 9110 §5.6.1.2: to be ignored)"},
	{"RFC6455/4.3/list_of_versions", "tokenListContainsValue looks for 13 in a list"},
	{"RFC6455/11.3.1/two_keys*", "Header.Get takes the first of the keys"},
	{"RFC6455/11.3.5/*", "tokenListContainsValue looks for 13 in all the fields"},
	{"RFC6455/9.1/*_is_malformed", "parseExtensions skips what it can't parse"},
	{"RFC7692/7/*", "Upgrade looks at no parameter of an offer"},
	{"RFC7692/7.1/offer_of_all_parameters", "Upgrade agrees to server_max_window_bits without saying so"},
	{"RFC6455/9.1/quoted_value_of_the_server", "Upgrade agrees to server_max_window_bits without saying so"},
	{"RFC7692/7.1.2.1/server_max_window_bits_*", "Upgrade looks at no parameter of an offer"},
	{"RFC7692/7.1.2.2/*_is_not_valid", "Upgrade looks at no parameter of an offer"},
	{"RFC7692/7.1.1.?/*_takeover_with_a_*value", "Upgrade looks at no parameter of an offer"},
	{"RFC7692/6/reserved_bit_1_on_a*_p[io]ng", "advanceFrame takes RSV1 of any opcode for the sign of compression"},
	{"RFC7692/6/reserved_bit_1_on_a_close", "advanceFrame takes RSV1 of any opcode for the sign of compression"},
	{"RFC7692/6/reserved_bit_1_on_a_continuation_*", "advanceFrame takes RSV1 of any opcode for the sign of compression"},
}

// What coder/websocket 1.8.15 does differently.
var coderDeviations = []deviation{
	{"RFC6455/4.2.1/upgrade_in_letters_that_fold_to_websocket", "headerContainsTokenIgnoreCase folds all of Unicode, not only ASCII"},
	{"RFC6455/11.3.5/*", "Header.Get takes the first of the versions"},
	{"RFC6455/9.1/*_is_malformed", "websocketExtensions splits at commas and semicolons, whatever is between"},
	{"RFC6455/5.4/message_that_the_stream_cuts_off_is_none", "msgReader.Read passes on the stream's io.EOF, which is also a message's end"},
	{"RFC6455/5.5.1/close_reason_*", "parseClosePayload does not look at the reason, which is sent back"},
	{"RFC7692/7/*_twice", "acceptDeflate does not count parameters"},
	{"RFC7692/7.1/offer_of_all_parameters", "acceptDeflate agrees to server_max_window_bits without saying so"},
	{"RFC7692/7.1.2.1/server_max_window_bits_of_15_is_granted", "acceptDeflate agrees to server_max_window_bits without saying so"},
	{"RFC7692/7.1.2.2/*_is_not_valid", "acceptDeflate takes any value of client_max_window_bits"},
	{"RFC7692/7.2.3.4/message_behind_one_with_bfinal", "msgReader stops at BFINAL, and then misses the end of the frame"},
}
