package api

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatd/room"
	clients "chatd/room/token"
)

const clientSecret = "the secret of the clients' tokens, of 32 bytes"

// guarded is a server with tokens for clients, too.
func guarded(t *testing.T) *fixture {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	write(t, file, clientSecret+"\n")
	key, err := clients.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, func(c *room.Config) { c.Tokens = key })
}

// of is a client's token.
func of(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(clientSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// events asks for a room's events, compares the answer with the description, and of one
// without end returns what comes first.
func (f *fixture) events(target string, fields ...string) answer {
	f.t.Helper()
	r := f.request("GET", target, "", fields...)
	res, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{Response: res, body: make([]byte, 1000)}
	n, err := res.Body.Read(a.body)
	if a.body = a.body[:n]; n == 0 {
		f.t.Fatal(err)
	}
	f.compare(r, "", a)
	return a
}

func TestEventsAreAsTheyAreDescribed(t *testing.T) {
	f := start(t, func(c *room.Config) { c.Rooms = []string{"lobby"} })
	if a := f.status(f.events("/rooms/lobby/events"), 200); !strings.HasPrefix(string(a.body), "retry: ") {
		t.Errorf("%q", a.body)
	}
	f.status(f.events("/rooms/lobby/events?since=now", "Last-Event-ID: what"), 200)
	f.status(f.events("/rooms/lobby/events?since=what"), 400)
	f.status(f.send("HEAD", "/rooms/lobby/events", ""), 200)
	f.status(f.send("POST", "/rooms/lobby/events", "", asText), 405)
	f.status(f.events("/rooms/../events"), 400)
	f.status(f.events("/rooms/none/events"), 404)
	f.status(f.send("HEAD", "/rooms/none/events", ""), 404)
	f.status(f.send("HEAD", "/rooms/lobby/events?since=what", ""), 400)
	f.status(f.send("OPTIONS", "/rooms/lobby/events", "", "Origin: http://"+f.addr, "Access-Control-Request-Method: GET"), 204)

	f = start(t, func(c *room.Config) { c.MaxRooms = 1 })
	f.chat("/lobby")
	f.status(f.events("/rooms/side/events"), 503)

	f = start(t, func(c *room.Config) { c.MaxConnsPerSource = 1 })
	f.chat("/lobby")
	f.status(f.events("/rooms/lobby/events"), 429)
}

// A program's token is good for what programs may ask, a client's for its rooms.
func TestTokensOfProgramsAndOfClientsAreNotEachOthers(t *testing.T) {
	f := guarded(t)
	client := "Authorization: Bearer " + of(t, jwt.MapClaims{"sub": "ana", "rooms": []string{"lobby"}})
	f.publish("lobby", "hi")
	for _, route := range everyRoute {
		method, target, _ := strings.Cut(route, " ")
		f.status(f.send(method, target, "hi", asText, client), 401)
	}
	f.status(f.events("/rooms/lobby/events", client), 200)
	f.status(f.events("/rooms/lobby/events"), 401)
	f.status(f.events("/rooms/lobby/events", "Authorization: Bearer "+token), 401)
	f.status(f.events("/rooms/lobby/events", client, client), 400)
	f.status(f.events("/rooms/side/events", client), 403)
	f.status(f.send("HEAD", "/rooms/lobby/events", ""), 401)
	f.status(f.ask("DELETE", "/rooms/lobby/members/ana", ""), 204)
	f.status(f.events("/rooms/lobby/events", client), 403)
	f.status(f.send("HEAD", "/rooms/lobby/events", "", client), 403)
}
