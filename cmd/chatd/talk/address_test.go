package talk

import (
	"strings"
	"testing"
)

func TestARoomIsFoundByEachOfItsAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"localhost:8080":                         "ws://localhost:8080/ws/lobby",
		"localhost:8080/":                        "ws://localhost:8080/ws/lobby",
		"localhost:8080/side":                    "ws://localhost:8080/ws/side",
		"localhost:8080/r/side":                  "ws://localhost:8080/ws/side",
		"chat.example/side":                      "ws://chat.example/ws/side",
		"[::1]:8080/side":                        "ws://[::1]:8080/ws/side",
		"http://localhost:8080":                  "ws://localhost:8080/ws/lobby",
		"http://localhost:8080/r/side#x":         "ws://localhost:8080/ws/side",
		"https://chat.example/r/side":            "wss://chat.example/ws/side",
		"ws://localhost:8080/ws":                 "ws://localhost:8080/ws/lobby",
		"wss://chat.example/ws/a-b?token=xy":     "wss://chat.example/ws/a-b?token=xy",
		"localhost:8080/rooms/side/events":       "http://localhost:8080/rooms/side/events",
		"https://chat.example/rooms/side/events": "https://chat.example/rooms/side/events",
	} {
		socket, room, err := parseAddress(address)
		if err != nil || socket.String() != want || !strings.HasSuffix(strings.TrimSuffix(strings.TrimSuffix(want, "?token=xy"), "/events"), "/"+room) {
			t.Errorf("%s: %v, room %s, %v; not %s", address, socket, room, err, want)
		}
	}
}

func TestAnAddressThatIsNoRoomsIsRefused(t *testing.T) {
	for address, says := range map[string]string{
		"":                             "no host",
		"/side":                        "no host",
		"http://":                      "no host",
		"ftp://localhost/":             "ftp://",
		"http://localhost/side":        "/r/room",
		"http://localhost/r/side/":     "/r/room",
		"localhost/a/b":                "/r/room",
		"localhost/rooms/../events":    "/r/room",
		"localhost/..":                 "no room's name",
		"localhost/r/a%20b":            "no room's name",
		"http://ana:secret@localhost/": "password",
		"localhost:port":               "no URL",
		"http://localhost/r/\x1b[31m":  "no URL",
		"localhost/" + "too-long-" + strings.Repeat("x", 64): "no room's name",
	} {
		if socket, _, err := parseAddress(address); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v; not %q", address, socket, err, says)
		}
	}
}
