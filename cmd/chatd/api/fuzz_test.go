package api

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"chatd/room/handshake"
)

// FuzzPath: a path that is let through has a room's name, and is one that
// http.ServeMux does not redirect.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"/rooms", "/rooms/", "/rooms/lobby", "/rooms/lobby/messages", "/rooms/a%2Fb", "/rooms/../x", "/rooms//", "/rooms/./", "/rooms/lobby/members/%2e%2e", "/%72ooms/lobby", "/roomsx"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		u, err := url.ParseRequestURI(p)
		if err != nil || !strings.HasPrefix(u.Path, "/rooms") {
			return
		}
		escaped := u.EscapedPath()
		if checkPath(escaped) != nil || escaped == "/rooms" {
			return
		}
		if path.Clean(escaped) != escaped {
			t.Fatalf("%q is redirected", p)
		}
		rest, ok := strings.CutPrefix(u.Path, "/rooms/")
		name, _, _ := strings.Cut(rest, "/")
		if !ok || !handshake.RoomName(name) {
			t.Fatalf("%q is let through", p)
		}
	})
}
