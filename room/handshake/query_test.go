package handshake

import (
	"strings"
	"testing"

	"chatd/room/position"
)

func lookAt(target string) Result {
	return server.Look([]byte(strings.Replace(good, "/ws", target, 1)))
}

func TestQueryIsReadAsURLsAre(t *testing.T) {
	at := position.Since{Kind: position.At, Position: position.Position{Epoch: 0x9f3c21aa, Seq: 7, At: -1}}
	for query, want := range map[string]Query{
		"":                                       {},
		"?":                                      {},
		"?&&=&=x&x":                              {},
		"?name=Ana&session=1.a.b&token=x.y":      {Name: "Ana", Session: "1.a.b", Token: "x.y"},
		"?n%61me=A%20n+a%C3%A9":                  {Name: "A n aé"},
		"?name=a=b&session==":                    {Name: "a=b", Session: "="},
		"?name=a&name=b":                         {Name: "a"},
		"?name=&name=b":                          {},
		"?name&name=b":                           {},
		"?Name=a":                                {},
		"?name=%zz":                              {},
		"?name=%zz&name=b":                       {Name: "b"},
		"?name=a;b":                              {},
		"?name=a?b":                              {Name: "a?b"},
		"?since=":                                {},
		"?since":                                 {},
		"?since=now":                             {Since: position.Since{Kind: position.Now}},
		"?since=9f3c21aa.7&since=x":              {Since: at},
		"?since=%39f3c21aa%2E7":                  {Since: at},
		"?other=%zz&since=9f3c21aa.7&x=1;2&y=%z": {Since: at},
	} {
		if r := lookAt("/ws" + query); r.Verdict != Upgrade || r.Query != want || r.Room != DefaultRoom {
			t.Errorf("%q: %+v, %s, want %+v", query, r.Query, r.Reason, want)
		}
		if r := lookAt("http://chat.example/ws/side" + query); r.Verdict != Upgrade || r.Query != want || r.Room != "side" {
			t.Errorf("URL with %q: %+v, %s, want %+v", query, r.Query, r.Reason, want)
		}
	}
}

func TestTokenIsThatOfTheHeaderOrElseOfTheQuery(t *testing.T) {
	for _, tt := range []struct{ query, value, want string }{
		{"", "", ""},
		{"?token=a.b.c", "", "a.b.c"},
		{"", "Bearer a.b.c", "a.b.c"},
		{"?token=query", "Bearer header", "header"},
		{"?token=query", "bearer  header ", "header"},
		{"?token=query", "Bearer", ""},
		{"?token=query", "Bearer ", ""},
		{"?token=query", "Basic YTpi", "query"},
		{"?token=query", "Bearerheader", "query"},
		{"", "Bearer a b", "a b"},
	} {
		request := good
		if tt.value != "" {
			request = add("Authorization: " + tt.value)
		}
		if r := server.Look([]byte(strings.Replace(request, "/ws", "/ws"+tt.query, 1))); r.Verdict != Upgrade || r.Token != tt.want {
			t.Errorf("%q, %q: %v %q, want %q", tt.query, tt.value, r.Verdict, r.Token, tt.want)
		}
	}
	twice := server.Look([]byte(add("Authorization: Bearer a\r\nauthorization: Bearer a")))
	if twice.Verdict != Refuse || twice.Status != 400 || twice.Reason != "authorization" {
		t.Errorf("%v, %d, %s", twice.Verdict, twice.Status, twice.Reason)
	}
}

func TestSinceThatIsNoPositionIsRefused(t *testing.T) {
	for _, since := range []string{"x", "Now", "0", "9f3c21aa", "9f3c21aa.", "9F3C21AA.7", "9f3c21aa.07", "9f3c21aa.9007199254740992", "9f3c21aa.7.9007199254740992", "%zz", "%20", "+"} {
		r := lookAt("/ws?name=a&since=" + since)
		if got := response(t, good, r.AppendAnswer(nil, "now")); r.Verdict != Refuse || r.Reason != "bad_since" || got.StatusCode != 400 {
			t.Errorf("%q: verdict %d, %s, %s", since, r.Verdict, r.Reason, got.Status)
		}
	}
}

func TestSubprotocolThatWasAgreedToIsTold(t *testing.T) {
	h := *server
	h.Subprotocols = []string{"chat.v1", "other"}
	for offer, want := range map[string]string{"chat.v1": "chat.v1", "other, chat.v1": "other", "unknown, chat.v1, other": "chat.v1", "CHAT.V1": "", "unknown": ""} {
		r := h.Look([]byte(with("Sec-WebSocket-Protocol", offer)))
		if r.Verdict != Upgrade || r.Protocol != want {
			t.Errorf("%q: %q, %s, want %q", offer, r.Protocol, r.Reason, want)
		}
	}
}
