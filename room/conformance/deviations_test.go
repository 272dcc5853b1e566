package conformance_test

// What gorilla/websocket 1.5.3 does differently.
var gorillaDeviations = []deviation{
	{cases: "RFC6455/4.2.1/http_1.0", reason: "Upgrade does not look at the request's protocol, and net/http takes HTTP/1.0"},
	{cases: "RFC6455/4.2.1/upgrade_token_in_a_list_with_empty_elements", reason: "tokenListContainsValue gives up at an empty element (RFC 9110 §5.6.1.2: to be ignored)"},
	{cases: "RFC6455/4.3/list_of_versions", reason: "tokenListContainsValue looks for 13 in a list"},
	{cases: "RFC6455/11.3.1/two_keys*", reason: "Header.Get takes the first of the keys"},
	{cases: "RFC6455/11.3.5/*", reason: "tokenListContainsValue looks for 13 in all the fields"},
	{cases: "RFC6455/9.1/*_is_malformed", reason: "parseExtensions skips what it can't parse"},
	{cases: "RFC6455/11.3.4/*_is_malformed", reason: "Upgrade does not look at subprotocols if it speaks none"},
	{cases: "RFC7692/7/*", reason: "Upgrade looks at no parameter of an offer"},
	{cases: "RFC7692/7.1/offer_of_all_parameters", reason: "Upgrade agrees to server_max_window_bits without saying so"},
	{cases: "RFC6455/9.1/quoted_value_of_the_server", reason: "Upgrade agrees to server_max_window_bits without saying so"},
	{cases: "RFC7692/7.1.2.1/server_max_window_bits_*", reason: "Upgrade looks at no parameter of an offer"},
	{cases: "RFC7692/7.1.2.2/*_is_not_valid", reason: "Upgrade looks at no parameter of an offer"},
	{cases: "RFC7692/7.1.1.?/*_takeover_with_a_*value", reason: "Upgrade looks at no parameter of an offer"},
	{cases: "RFC7692/6/reserved_bit_1_on_a*_p[io]ng", reason: "advanceFrame takes RSV1 of any opcode for the sign of compression", silent: true},
	{cases: "RFC7692/6/reserved_bit_1_on_a_close", reason: "advanceFrame takes RSV1 of any opcode for the sign of compression"},
	{cases: "RFC7692/6/reserved_bit_1_on_a_continuation_*", reason: "advanceFrame takes RSV1 of any opcode for the sign of compression"},
	{cases: "RFC7692/7.2.3.4/*_behind_*block*_with_bfinal", reason: "flateReadWrapper ends the message at BFINAL"},
}

// What coder/websocket 1.8.15 does differently.
var coderDeviations = []deviation{
	{cases: "RFC6455/4.2.1/upgrade_in_letters_that_fold_to_websocket", reason: "headerContainsTokenIgnoreCase folds all of Unicode, not only ASCII"},
	{cases: "RFC6455/11.3.5/*", reason: "Header.Get takes the first of the versions"},
	{cases: "RFC6455/9.1/*_is_malformed", reason: "websocketExtensions splits at commas and semicolons, whatever is between"},
	{cases: "RFC6455/11.3.4/*_is_malformed", reason: "headerTokens splits at commas, whatever is between"},
	{cases: "RFC6455/5.4/message_that_the_stream_cuts_off_is_none", reason: "msgReader.Read passes on the stream's io.EOF, which is also a message's end"},
	{cases: "RFC6455/5.5.1/close_reason_*", reason: "parseClosePayload does not look at the reason, which is sent back"},
	{cases: "RFC7692/7/*_twice", reason: "acceptDeflate does not count parameters"},
	{cases: "RFC7692/7.1/offer_of_all_parameters", reason: "acceptDeflate agrees to server_max_window_bits without saying so"},
	{cases: "RFC7692/7.1.2.1/server_max_window_bits_of_15_is_granted", reason: "acceptDeflate agrees to server_max_window_bits without saying so"},
	{cases: "RFC7692/7.1.2.2/*_is_not_valid", reason: "acceptDeflate takes any value of client_max_window_bits"},
	{cases: "RFC7692/7.2.3.4/*_behind_*block*_with_bfinal", reason: "msgReader ends the message at BFINAL"},
	{cases: "RFC7692/7.2.3.4/message_behind_one_with_bfinal", reason: "msgReader stops at BFINAL, and then misses the end of the frame"},
}
