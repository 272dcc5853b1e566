package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"chatd/static"
)

// scripted is a server of the page whose n-th WebSocket, from 1, does what it is
// told.
type scripted struct {
	*httptest.Server
	dialled atomic.Int64
	away    atomic.Bool // it is, and a proxy in front of it says so
}

func newScripted(t *testing.T, each func(n int64, w http.ResponseWriter, r *http.Request)) *scripted {
	t.Helper()
	s := &scripted{}
	page, err := static.Handler("", static.Facts{MaxMessage: 1000})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if s.away.Load() {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		page.ServeHTTP(w, r)
	})
	mux.HandleFunc("/ws/{room}", func(w http.ResponseWriter, r *http.Request) { each(s.dialled.Add(1), w, r) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// event is one of chat.v1.
type event map[string]any

// member is a client of a scripted server, which speaks chat.v1.
type member struct {
	*websocket.Conn
	ctx  context.Context
	room string
}

// welcome takes a client and welcomes it, with other fields than the usual ones
// perhaps; nil if there is none.
func welcome(w http.ResponseWriter, r *http.Request, other event) *member {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat.v1"}, InsecureSkipVerify: true})
	if err != nil {
		return nil
	}
	m := &member{conn, r.Context(), r.PathValue("room")}
	first := event{
		"type": "welcome", "id": "me", "session": "proof", "room": m.room, "name": r.FormValue("name"), "epoch": "0000000a",
		"seq": 0, "resumed": r.FormValue("since") != "", "members": 1,
		"retry": event{"min_ms": 500, "max_ms": 15000}, "limits": event{"message": 1000, "name": 32, "rooms": 16},
	}
	maps.Copy(first, other)
	m.tell(first)
	return m
}

// tell sends an event. Whether it could, the next hear finds out.
func (m *member) tell(e event) {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	_ = m.Write(m.ctx, websocket.MessageText, b)
}

// hear returns the client's next event; nil at the end.
func (m *member) hear() (e event) {
	_, b, err := m.Read(m.ctx)
	if err != nil || json.Unmarshal(b, &e) != nil {
		return nil
	}
	return e
}

// say tells the client its own text, as the seq-th of the room.
func (m *member) say(e event, seq int) {
	m.tell(event{"type": "say", "room": e["room"], "seq": seq, "at": 1000 + seq, "id": "me", "text": e["text"], "nonce": e["nonce"]})
}

// who answers the question who is there.
func (m *member) who() {
	m.tell(event{"type": "who", "room": m.room, "count": 1, "members": []event{{"id": "me"}}})
}

// echo is a room with one member.
func echo(w http.ResponseWriter, r *http.Request) {
	m := welcome(w, r, nil)
	if m == nil {
		return
	}
	defer m.CloseNow()
	m.serve(0)
}

// serve answers what the client says and asks, up to its end. Its room has had seq
// messages.
func (m *member) serve(seq int) {
	for e := m.hear(); e != nil; e = m.hear() {
		switch e["type"] {
		case "say":
			seq++
			m.say(e, seq)
		case "who":
			m.who()
		case "join":
			m.tell(event{"type": "joined", "room": e["room"], "epoch": "0000000b", "seq": 0, "resumed": e["since"] != "", "members": 1})
		case "leave":
			m.tell(event{"type": "left", "room": e["room"]})
		case "name":
		default:
			panic(fmt.Sprint("a client says ", e))
		}
	}
}

// deaf takes the connection, and then nothing comes from it any more.
func deaf(w http.ResponseWriter, r *http.Request) {
	m := welcome(w, r, nil)
	if m == nil {
		return
	}
	defer m.CloseNow()
	for m.hear() != nil {
	}
}
