package talk

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"chatd/room/handshake"
)

// lobby is the room that has no name in its address.
const lobby = "lobby"

// parseAddress reads where to chat, as people have it before them: the address of
// a room's page or of its WebSocket, or a host with or without a room. It returns
// the address of the WebSocket; or, if it is that of the room's events, it itself.
func parseAddress(s string) (u *url.URL, room string, err error) {
	bare := !strings.Contains(s, "://")
	if bare {
		s = "ws://" + s
	}
	u, err = url.Parse(s)
	if err != nil {
		return nil, "", errors.New("that is no URL; write host:port/room, or the address of a room's page")
	}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "ws"
	case "wss", "https":
		u.Scheme = "wss"
	default:
		return nil, "", fmt.Errorf("%s:// is no chat; write ws, wss, http or https", u.Scheme)
	}
	switch {
	case u.Hostname() == "":
		return nil, "", errors.New("there is no host in it; write host:port/room")
	case u.User != nil:
		return nil, "", errors.New("a user and a password are of no use; write host:port/room")
	}
	if room, ok := eventsOf(u.Path); ok {
		u.Scheme = map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
		return u, room, nil
	}
	if room, err = parsePath(u.EscapedPath(), bare); err != nil {
		return nil, "", err
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/ws/" + room, RawQuery: u.RawQuery}, room, nil
}

// eventsOf returns the room whose events are at a path.
func eventsOf(path string) (room string, ok bool) {
	segments := strings.Split(path, "/")
	if len(segments) != 4 || segments[1] != "rooms" || segments[3] != "events" || !handshake.RoomName(segments[2]) {
		return "", false
	}
	return segments[2], true
}

// parsePath returns the room that a path is of. A bare one has a room's name
// and nothing else.
func parsePath(path string, bare bool) (room string, err error) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch first := segments[0]; {
	case len(segments) == 1 && (first == "" || first == "ws"):
		return lobby, nil
	case len(segments) == 2 && (first == "ws" || first == "r"):
		room = segments[1]
	case len(segments) == 1 && bare:
		room = first
	default:
		return "", fmt.Errorf("%q is no room's path; write /r/room or /ws/room", path)
	}
	if !handshake.RoomName(room) {
		return "", fmt.Errorf("%q is no room's name, which is 1 to 64 of A-Z a-z 0-9 . _ ~ -", room)
	}
	return room, nil
}
