package chat

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"chatd/room/fuzzcorpus"
	"chatd/room/handshake"
	"chatd/room/position"
)

const testLimit = 10 // bytes of a text

func TestCommandsAreRead(t *testing.T) {
	at := position.Since{Kind: position.At, Position: position.Position{Epoch: 0x9f3c21aa, Seq: 7, At: -1}}
	for s, want := range map[string]Command{
		`{"type":"say","text":"hi","nonce":"1","room":"lobby"}`:                                         {Kind: Say, Text: []byte("hi"), Nonce: "1", Room: "lobby"},
		`{"type":"say","text":"hi"}`:                                                                    {Kind: Say, Text: []byte("hi")},
		`{"room":"lobby","nonce":"1","text":"hi","type":"say"}`:                                         {Kind: Say, Text: []byte("hi"), Nonce: "1", Room: "lobby"},
		" \t\r\n{ \"type\" :\n\"say\" , \"text\" : \"hi\" } \n":                                         {Kind: Say, Text: []byte("hi")},
		`{"type":"say","text":"hi","nonce":""}`:                                                         {Kind: Say, Text: []byte("hi")},
		`{"type":"say","text":"0123456789"}`:                                                            {Kind: Say, Text: []byte("0123456789")},
		`{"type":"say","text":"\u0030123456789"}`:                                                       {Kind: Say, Text: []byte("0123456789")},
		`{"type":"say","text":" "}`:                                                                     {Kind: Say, Text: []byte(" ")},
		`{"type":"say","text":"\n\u0000\"\/"}`:                                                          {Kind: Say, Text: []byte("\n\x00\"/")},
		`{"type":"say","text":"\ud83d\ude00"}`:                                                          {Kind: Say, Text: []byte("😀")},
		`{"type":"say","text":"é😀"}`:                                                                    {Kind: Say, Text: []byte("é😀")},
		`{"type":"say","text":"a\ud800"}`:                                                               {Kind: Say, Text: []byte("a\ufffd")},
		`{"type":"say","text":"\ude00\ud83d"}`:                                                          {Kind: Say, Text: []byte("\ufffd\ufffd")},
		`{"type":"say","text":"\ud800\u0041"}`:                                                          {Kind: Say, Text: []byte("\ufffdA")},
		`{"typ\u0065":"\u0073ay","text":"hi"}`:                                                          {Kind: Say, Text: []byte("hi")},
		`{"type":"say","text":"hi","nonce":"` + strings.Repeat("é", 32) + `"}`:                          {Kind: Say, Text: []byte("hi"), Nonce: strings.Repeat("é", 32)},
		`{"type":"name","name":"Ana","nonce":"1"}`:                                                      {Kind: Name, Name: "Ana", Nonce: "1"},
		`{"type":"name","name":" Zoe\u0308 "}`:                                                          {Kind: Name, Name: "Zoë"},
		`{"type":"name","name":""}`:                                                                     {Kind: Name},
		`{"type":"name","name":"  "}`:                                                                   {Kind: Name},
		`{"type":"join","room":"side"}`:                                                                 {Kind: Join, Room: "side"},
		`{"type":"join","room":"side","since":""}`:                                                      {Kind: Join, Room: "side"},
		`{"type":"join","room":"side","since":"now"}`:                                                   {Kind: Join, Room: "side", Since: position.Since{Kind: position.Now}},
		`{"type":"join","room":"side","since":"9f3c21aa.7"}`:                                            {Kind: Join, Room: "side", Since: at},
		`{"type":"leave","room":"side"}`:                                                                {Kind: Leave, Room: "side"},
		`{"type":"leave"}`:                                                                              {Kind: Leave},
		`{"type":"who","room":"lobby"}`:                                                                 {Kind: Who, Room: "lobby"},
		`{"type":"who"}`:                                                                                {Kind: Who},
		`{"type":"who","Type":1,"x":{"type":"say","a":[[],{}]},"x":null,"":[]}`:                         {Kind: Who},
		`{"type":"who","text":5,"name":null,"since":"x"}`:                                               {Kind: Who}, // which who does not know
		`{"type":"who","x":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}`:              {Kind: Who},
		`{"x":` + strings.Repeat(`{"type":`, 9000) + `1` + strings.Repeat(`}`, 9000) + `,"type":"who"}`: {Kind: Who},
	} {
		got, failed := Decode([]byte(s), testLimit)
		if failed != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%.80s: %+v, %+v, want %+v", s, got, failed, want)
		}
	}
}

func TestEachCodeOfACommandThatIsNone(t *testing.T) {
	for code, events := range map[Code][]string{
		BadJSON: {
			"", " ", "null", "true", "1", `"say"`, `[]`, `[{"type":"who"}]`, "hi", "{", "}", "{}}", `{"type":"who"`, `{"type":"who"}{`, `{"type":"who"}{"type":"who"}`, `{"type":"who"} x`,
			`{"type":"who",}`, `{,"type":"who"}`, `{"type":"who" "x":1}`, `{"type" "who"}`, `{"type":}`, `{type:"who"}`, `{'type':'who'}`, `{"type":"who","x":01}`, `{"type":"who","x":nul}`, `{"type":"who","x":[1,]}`,
			`{"type":"who","x":"` + "\n" + `"}`, `{"type":"say","text":"\x41"}`, `{"type":"say","text":"\u12"}`, `{"type":"say","text":"a` + "\x00" + `"}`, "\ufeff" + `{"type":"who"}`, `{"type":"who"}` + "\x00", `{"type":"who",1:2}`,
			`{"type":"who","type":"who"}`, `{"type":"who","typ\u0065":"who"}`, `{"type":1,"type":"who"}`, `{"type":"who","room":"a","room":"b"}`, // known members that are there twice
			`{"x":` + strings.Repeat(`[`, 10_001) + strings.Repeat(`]`, 10_001) + `,"type":"who"}`,
			strings.Repeat(`{"x":`, 1<<20),
		},
		BadEvent: {
			`{}`, `{"x":1}`, `{"type":""}`, `{"type":"Say","text":"hi"}`, `{"type":"welcome"}`, `{"type":"say "}`, `{"type":1}`, `{"type":null}`, `{"type":["say"]}`, `{"type":{"type":"who"}}`, `{"Type":"who"}`,
			`{"type":"say"}`, `{"type":"say","text":""}`, `{"type":"say","text":1}`, `{"type":"say","text":null}`, `{"type":"say","text":["hi"]}`, `{"type":"say","data":"aGk="}`,
			`{"type":"say","text":"hi","nonce":1}`, `{"type":"say","text":"hi","nonce":null}`, `{"type":"say","text":"hi","nonce":{}}`, `{"type":"say","text":"hi","nonce":"` + strings.Repeat("n", 65) + `"}`, `{"type":"say","text":"hi","nonce":"` + strings.Repeat("é", 33) + `"}`,
			`{"type":"say","text":"hi","room":1}`, `{"type":"say","text":"hi","room":null}`,
			`{"type":"name"}`, `{"type":"name","name":null}`, `{"type":"name","name":1}`,
			`{"type":"join"}`, `{"type":"join","room":1}`, `{"type":"join","since":"now"}`, `{"type":"join","room":"side","since":1}`, `{"type":"join","room":"side","since":null}`,
			`{"type":"join","room":"side","since":"x"}`, `{"type":"join","room":"side","since":"9F3C21AA.7"}`, `{"type":"join","room":"side","since":"9f3c21aa.9007199254740992"}`,
			`{"type":"leave","room":null}`, `{"type":"who","room":[]}`,
		},
		TooLong: {`{"type":"say","text":"01234567890"}`, `{"type":"say","text":"éééééé"}`, `{"type":"say","text":"\ud800\ud800\ud800\ud800"}`, `{"type":"say","text":"` + strings.Repeat("x", 1<<20) + `"}`},
		BadName: {`{"type":"name","name":"` + strings.Repeat("x", 33) + `"}`, `{"type":"name","name":"a\u0000"}`, `{"type":"name","name":"a\u202eb"}`},
		BadRoom: {`{"type":"join","room":""}`, `{"type":"join","room":"."}`, `{"type":"join","room":".."}`, `{"type":"join","room":"a b"}`, `{"type":"join","room":"a/b"}`, `{"type":"join","room":"a%62"}`, `{"type":"join","room":"é"}`,
			`{"type":"join","room":"` + strings.Repeat("r", 65) + `"}`, `{"type":"say","text":"hi","room":""}`, `{"type":"leave","room":"a b"}`, `{"type":"who","room":""}`},
	} {
		for _, s := range events {
			got, failed := Decode([]byte(s), testLimit)
			if failed == nil || failed.Code != code || failed.Message == "" || failed.Nonce != "" || !reflect.DeepEqual(got, Command{}) {
				t.Errorf("%.80s: %+v, %+v, want %s", s, got, failed, code)
			}
		}
	}
}

func TestErrorHasTheNonceWhereverItIs(t *testing.T) {
	for _, s := range []string{
		`{"nonce":"n","type":"say"}`, `{"type":"say","nonce":"n","text":5}`, `{"type":"say","text":"01234567890","nonce":"n"}`, `{"type":5,"text":[],"nonce":"n"}`,
		`{"type":"say","text":"hi","room":"a b","nonce":"n"}`, `{"type":"what","nonce":"\u006e"}`, `{"type":"join","room":"","nonce":"n"}`,
		`{"nonce":"n","text":"hi`, `{"nonce":"n"} x`, `{"nonce":"n","nonce":"m"}`,
	} {
		if _, failed := Decode([]byte(s), testLimit); failed == nil || failed.Nonce != "n" {
			t.Errorf("%s: %+v", s, failed)
		}
	}
}

func TestUnescapedTextIsNotCopied(t *testing.T) {
	b := []byte(`{"type":"say","text":"hi","x":[1,2]}`)
	c, _ := Decode(b, testLimit)
	if want := strings.Index(string(b), "hi"); &c.Text[0] != &b[want] {
		t.Error("it was")
	}
	if n := testing.AllocsPerRun(100, func() { Decode(b, testLimit) }); n > 0 && !raceDetector { // which makes pools forget
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	fuzzcorpus.Add(f)
	for _, s := range []string{
		`{"type":"say","text":"hi","nonce":"1","room":"lobby"}`, `{"type":"name","name":"Ana"}`, `{"type":"join","room":"side","since":"9f3c21aa.7.1764064800123"}`,
		`{"type":"leave","room":"side"}`, `{"type":"who","x":[{},null,-1.5e3,true]}`, `{"type":"say","text":"\ud800\n\u2028\ud83d\ude00"}`, `{"typ\u0065":"who","type":"who"}`, "{\"type\":\"say\",\"text\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := string(b)
		c, failed := Decode(b, testLimit)
		if string(b) != before {
			t.Fatalf("%q became %q", before, b)
		}
		// encoding/json accepts invalid UTF-8 in the same way, and names that differ in case.
		var members map[string]any
		err := json.Unmarshal(b, &members)
		if isObject := err == nil && members != nil; isObject != (failed == nil || failed.Code != BadJSON) && !strings.Contains(messageOf(failed), "twice") {
			t.Fatalf("%q: %+v, %v", b, failed, err)
		}
		if failed != nil {
			if failed.Message == "" || len(failed.Nonce) > MaxNonce || !reflect.DeepEqual(c, Command{}) {
				t.Fatalf("%q: %+v, %+v", b, failed, c)
			}
			return
		}
		if members["type"] != kinds[c.Kind] {
			t.Fatalf("%q: kind %d", b, c.Kind)
		}
		if c.Kind == Say && (members["text"] != string(c.Text) || len(c.Text) == 0 || len(c.Text) > testLimit || !utf8.Valid(c.Text)) {
			t.Fatalf("%q: text %q", b, c.Text)
		}
		if nonce, _ := members["nonce"].(string); nonce != c.Nonce || len(c.Nonce) > MaxNonce {
			t.Fatalf("%q: nonce %q", b, c.Nonce)
		}
		if room, _ := members["room"].(string); c.Kind != Name && room != c.Room || c.Room != "" && !handshake.RoomName(c.Room) || c.Room == "" && c.Kind == Join {
			t.Fatalf("%q: room %q", b, c.Room)
		}
		if name, _ := members["name"].(string); c.Kind == Name {
			if clean, ok := CleanName(name); !ok || clean != c.Name {
				t.Fatalf("%q: name %q", b, c.Name)
			}
		}
	})
}

func messageOf(e *Error) string {
	if e == nil {
		return ""
	}
	return e.Message
}
