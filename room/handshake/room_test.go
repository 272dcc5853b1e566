package handshake

import (
	"strings"
	"testing"
)

func TestRoomIsWhatThePathSays(t *testing.T) {
	longest := strings.Repeat("x", 64)
	some := &Handshake{Path: "/ws", MaxHead: DefaultMaxHead, Rooms: map[string]bool{"a": true}}
	cases := []struct {
		h      *Handshake
		target string
		status int
		room   string
		reason string
	}{
		{server, "/ws", 101, "lobby", ""},
		{server, "/ws?room=x", 101, "lobby", ""},
		{server, "/ws/side", 101, "side", ""},
		{server, "/ws/side?name=%41", 101, "side", ""},
		{server, "/ws/lobby", 101, "lobby", ""},
		{server, "/ws/A-Z.a_z~09", 101, "A-Z.a_z~09", ""},
		{server, "/ws/...", 101, "...", ""},
		{server, "/ws/" + longest, 101, longest, ""},
		{server, "http://chat.example/ws/side", 101, "side", ""},
		{server, "/ws/" + longest + "x", 400, "", "bad_room"},
		{server, "/ws/", 400, "", "bad_room"},
		{server, "/ws/.", 400, "", "bad_room"},
		{server, "/ws/..", 400, "", "bad_room"},
		{server, "/ws/a%2Fb", 400, "", "bad_room"},
		{server, "/ws/%61", 400, "", "bad_room"},
		{server, "/ws/%2e%2e", 400, "", "bad_room"},
		{server, "/%77s/a", 400, "", "bad_room"},
		{server, "/ws/a+b", 400, "", "bad_room"},
		{server, "/ws/a:b", 400, "", "bad_room"},
		{server, "/ws/a;b", 400, "", "bad_room"},
		{server, "/ws/a/", 404, "", "no_room"},
		{server, "/ws/a/b", 404, "", "no_room"},
		{server, "/ws//", 404, "", "no_room"},
		{server, "/ws/../ws", 404, "", "no_room"},
		{some, "/ws/a", 101, "a", ""},
		{some, "/ws/b", 404, "", "no_room"},
		{some, "/ws", 404, "", "no_room"},
	}
	for _, tt := range cases {
		r := tt.h.Look([]byte(strings.Replace(good, "/ws", tt.target, 1)))
		got := response(t, good, r.AppendAnswer(nil, "now"))
		if got.StatusCode != tt.status || r.Room != tt.room || r.Reason != tt.reason {
			t.Errorf("%s: %d, room %q, reason %q; want %d, %q, %q", tt.target, got.StatusCode, r.Room, r.Reason, tt.status, tt.room, tt.reason)
		}
	}
	for _, path := range []string{"/wsx", "/w", "/r/side", "/side"} {
		if r := server.Look([]byte(strings.Replace(good, "/ws", path, 1))); r.Verdict != HTTP {
			t.Errorf("%s: verdict %d, want HTTP", path, r.Verdict)
		}
	}
}

func TestNameOfARoomThatIsRefusedCostsNothing(t *testing.T) {
	request := []byte(strings.Replace(good, "/ws", "/ws/a/"+strings.Repeat("x", 4000), 1))
	ok := []byte(good)
	if refused, taken := testing.AllocsPerRun(100, func() { server.Look(request) }), testing.AllocsPerRun(100, func() { server.Look(ok) }); refused > taken {
		t.Errorf("%v allocations for a name that is refused, %v for the default room", refused, taken)
	}
}
