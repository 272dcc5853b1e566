package chat

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"chatd/room/fuzzcorpus"
)

// decoded is an event as encoding/json reads it.
func decoded(t *testing.T, b []byte) (event map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&event); err != nil || d.InputOffset() != int64(len(b)) {
		t.Fatalf("%q: %v", b, err)
	}
	return event
}

func TestSayIsWrittenAsTheProtocolHasIt(t *testing.T) {
	for _, tt := range []struct {
		m    Message
		want string
	}{
		{Message{Seq: 1042, At: 1764064800123, ID: "c7k2", Name: "Ana", Nonce: "n1", Payload: []byte("hi")},
			`{"type":"say","room":"lobby","seq":1042,"at":1764064800123,"id":"c7k2","name":"Ana","text":"hi","nonce":"n1"}`},
		{Message{Seq: 1<<53 - 1, ID: "c7k2", Payload: []byte(`<b>"\ü😀`)},
			`{"type":"say","room":"lobby","seq":9007199254740991,"at":0,"id":"c7k2","name":"","text":"<b>\"\\ü😀"}`},
		{Message{Seq: 1, At: 2, Payload: []byte("of a raw client")},
			`{"type":"say","room":"lobby","seq":1,"at":2,"text":"of a raw client"}`},
		{Message{Seq: 1, At: 2, Binary: true, Payload: []byte{0, 1, 0xff, '"'}},
			`{"type":"say","room":"lobby","seq":1,"at":2,"data":"AAH/Ig=="}`},
		{Message{Seq: 1, At: 2, Binary: true}, `{"type":"say","room":"lobby","seq":1,"at":2,"data":""}`},
		{Message{Seq: 1, At: 2}, `{"type":"say","room":"lobby","seq":1,"at":2,"text":""}`},
	} {
		if got := AppendSay([]byte("before"), "lobby", &tt.m); string(got) != "before"+tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

func TestWhatJavaScriptOrJSONCantHaveInAStringIsEscaped(t *testing.T) {
	for s, want := range map[string]string{
		"":                         `""`,
		"\x00\x01\b\f\x1f":         `"\u0000\u0001\u0008\u000c\u001f"`,
		"a\n\r\tb":                 `"a\n\r\tb"`,
		"\"\\/\x7f":                "\"\\\"\\\\/\x7f\"",
		"\u2027\u2028\u2029\u202a": "\"\u2027\\u2028\\u2029\u202a\"",
		"\xff":                     `"\ufffd"`,
		"a\xe2\x80":                `"a\ufffd\ufffd"`,
		"\xed\xa0\x80b":            `"\ufffd\ufffd\ufffdb"`,
		"\ufffd":                   "\"\ufffd\"",
	} {
		if got := appendString(nil, s); string(got) != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
		if got := appendString(nil, []byte(s)); string(got) != want {
			t.Errorf("bytes %q: %s, want %s", s, got, want)
		}
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 64<<10)
	m := &Message{Seq: 1, At: 1, ID: "c7k2", Name: "Zoë", Nonce: "1", Payload: []byte(strings.Repeat("é\n\u2028\xff 😀", 100))}
	binary := &Message{Seq: 1, At: 1, Binary: true, Payload: make([]byte, 1000)}
	welcome := &Welcome{ID: "c7k2", Session: "s", Room: "lobby"}
	who := make([]Member, 100)
	failure := &Error{BadEvent, "no", "1"}
	if n := testing.AllocsPerRun(100, func() {
		b = AppendSay(b[:0], "lobby", m)
		b = AppendSay(b[:0], "lobby", binary)
		b = AppendWelcome(b[:0], welcome)
		b = AppendWho(b[:0], "lobby", 100, who)
		b = AppendMembers(b[:0], "lobby", 100)
		b = AppendGap(b[:0], "lobby", Gap{1, 2, History, 0})
		b = AppendError(b[:0], failure)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNoSayOfAChatClientIsLargerThanItsFrameMayBe(t *testing.T) {
	const limit = 1000
	for _, c := range []string{"x", "\x00", "\u2028", "é", "😀"} {
		text := strings.Repeat(c, limit/len(c))
		worst := `{"type":"say","text":` + escaped(text) + `,"nonce":` + escaped(strings.Repeat("n", MaxNonce)) + `,"room":` + escaped(strings.Repeat("r", 64)) + `}`
		if n := len(worst); n > MaxFrame(limit) {
			t.Errorf("%q: %d bytes, of at most %d", c, n, MaxFrame(limit))
		}
		if got, failed := Decode([]byte(worst), limit); failed != nil || string(got.Text) != text {
			t.Errorf("%q: %+v", c, failed)
		}
	}
}

// escaped is s as the longest JSON string that there is of it.
func escaped(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if r > 0xffff {
			r -= 0x10000
			b.WriteString(unit(0xd800 + r>>10))
			r = 0xdc00 + r&0x3ff
		}
		b.WriteString(unit(r))
	}
	b.WriteByte('"')
	return b.String()
}

func unit(r rune) string {
	return `\u` + string([]byte{hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15]})
}

func FuzzSay(f *testing.F) {
	fuzzcorpus.Add(f)
	f.Add(uint64(1042), int64(1764064800123), "lobby", "c7k2", "Ana", "1", []byte("hi"), false)
	f.Add(uint64(1), int64(0), "lobby", "", "", "", []byte("\u2028\x00\"\\\xff\xed\xa0\x80"), false)
	f.Add(uint64(1), int64(0), "", "a", "\n", "\u2029", []byte{0, 255}, true)
	f.Fuzz(func(t *testing.T, seq uint64, at int64, room, id, name, nonce string, payload []byte, binary bool) {
		m := Message{Seq: seq, At: at, ID: id, Name: name, Nonce: nonce, Payload: payload, Binary: binary}
		b := AppendSay([]byte("before"), room, &m)
		if !utf8.Valid(b) || bytes.ContainsAny(b, "\u2028\u2029\x00\n") || string(b[:6]) != "before" {
			t.Fatalf("%q", b)
		}
		// The same of encoding/json.
		event := map[string]any{"type": "say", "room": room, "seq": seq, "at": at}
		if id != "" {
			maps.Copy(event, map[string]any{"id": id, "name": name})
		}
		if nonce != "" {
			event["nonce"] = nonce
		}
		if event["text"] = string(payload); binary {
			delete(event, "text")
			event["data"] = base64.StdEncoding.EncodeToString(payload)
		}
		want, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := decoded(t, b[6:]), decoded(t, want); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}
