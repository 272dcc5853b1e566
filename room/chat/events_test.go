package chat

import (
	"reflect"
	"testing"
)

func TestEventsAreWrittenAsTheProtocolHasThem(t *testing.T) {
	for _, tt := range []struct {
		got  []byte
		want string
	}{
		{AppendWelcome(nil, &Welcome{ID: "c7k2", Session: "1.x", Room: "lobby", Name: "Ana", Epoch: 0x9f3c21aa, Seq: 1041, Members: 12, RetryMin: 500, RetryMax: 15000, Limits: Limits{65536, 32, 16}}),
			`{"type":"welcome","id":"c7k2","session":"1.x","room":"lobby","name":"Ana","epoch":"9f3c21aa","seq":1041,"resumed":false,"members":12,"retry":{"min_ms":500,"max_ms":15000},"limits":{"message":65536,"name":32,"rooms":16}}`},
		{AppendWelcome(nil, &Welcome{Name: "\"\u2028"}),
			`{"type":"welcome","id":"","session":"","room":"","name":"\"\u2028","epoch":"00000000","seq":0,"resumed":false,"members":0,"retry":{"min_ms":0,"max_ms":0},"limits":{"message":0,"name":0,"rooms":0}}`},
		{AppendGap(nil, "lobby", Gap{900, 1000, History, 0}), `{"type":"gap","room":"lobby","from":900,"to":1000,"why":"history"}`},
		{AppendGap(nil, "lobby", Gap{1, 0, Epoch, 0}), `{"type":"gap","room":"lobby","from":1,"to":0,"why":"epoch"}`},
		{AppendGap(nil, "lobby", Gap{1, 7, Future, 0}), `{"type":"gap","room":"lobby","from":1,"to":7,"why":"future"}`},
		{AppendGap(nil, "lobby", Gap{1, 7, Mismatch, 0}), `{"type":"gap","room":"lobby","from":1,"to":7,"why":"mismatch"}`},
		{AppendGap(nil, "lobby", Gap{1, 7, Epoch, 0x1ab23cd}), `{"type":"gap","room":"lobby","from":1,"to":7,"why":"epoch","epoch":"01ab23cd"}`},
		{AppendMembers(nil, "lobby", 13), `{"type":"members","room":"lobby","count":13}`},
		{AppendJoined(nil, "side", 1, 7, true, 3), `{"type":"joined","room":"side","epoch":"00000001","seq":7,"resumed":true,"members":3}`},
		{AppendLeft(nil, "side"), `{"type":"left","room":"side"}`},
		{AppendWho(nil, "lobby", 0, nil), `{"type":"who","room":"lobby","count":0,"members":[]}`},
		{AppendWho(nil, "lobby", 13, []Member{{"a", "Ana"}, {"b", ""}, {"c", "\n"}}),
			`{"type":"who","room":"lobby","count":13,"members":[{"id":"a","name":"Ana"},{"id":"b","name":""},{"id":"c","name":"\n"}]}`},
		{AppendError(nil, &Error{TooLong, "too \"long\"", ""}), `{"type":"error","code":"too_long","message":"too \"long\""}`},
		{AppendError(nil, &Error{BadEvent, "no", "1\u2029"}), `{"type":"error","code":"bad_event","message":"no","nonce":"1\u2029"}`},
	} {
		if string(tt.got) != tt.want {
			t.Errorf("%s, want %s", tt.got, tt.want)
		}
		decoded(t, tt.got)
	}
}

func TestEventsAreAppended(t *testing.T) {
	const before = "before"
	for _, b := range [][]byte{
		AppendWelcome([]byte(before), &Welcome{}), AppendJoined([]byte(before), "r", 0, 0, false, 0), AppendLeft([]byte(before), "r"),
		AppendGap([]byte(before), "r", Gap{}), AppendMembers([]byte(before), "r", 0), AppendWho([]byte(before), "r", 0, nil), AppendError([]byte(before), &Error{}),
	} {
		if got := decoded(t, b[len(before):]); string(b[:len(before)]) != before || reflect.DeepEqual(got, map[string]any{}) {
			t.Errorf("%q", b)
		}
	}
}
