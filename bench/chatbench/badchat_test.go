package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gorilla/websocket"
)

// badChat speaks as much of chat.v1 as the harness needs, with a planted fault,
// most of them where what was missed and what is live meet. Raw clients have rooms
// of their own.
type badChat struct {
	fault string
	raw   badServer

	mu    sync.Mutex // the server's only one: it need not be fast
	rooms map[string]*badRoom
	posts int
}

// badRoom keeps all that was said.
type badRoom struct {
	members []*websocket.Conn
	seq     int
	kept    []badSay
	forgot  bool
}

type badSay struct {
	seq  int
	text []byte
}

const badEpoch = "9f3c21aa"

// ServeHTTP implements http.Handler.
func (s *badChat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		s.post(w, r)
		return
	case r.Header.Get("Sec-WebSocket-Protocol") == "":
		s.raw.ServeHTTP(w, r)
		return
	}
	since := r.URL.Query().Get("since")
	up := websocket.Upgrader{Subprotocols: []string{"chat.v1"}}
	switch {
	case s.fault == "does not speak it":
		up.Subprotocols = nil
	case s.fault == "lets nobody back" && since != "now":
		http.Error(w, "you were here before", http.StatusServiceUnavailable)
		return
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	room := s.join(conn, r.URL.Path, since)
	for {
		_, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var say struct{ Text, Nonce string }
		if err := json.Unmarshal(payload, &say); err != nil {
			return
		}
		s.say(room, say.Text, say.Nonce)
	}
}

// join welcomes conn, tells it what it missed, and makes it a member.
func (s *badChat) join(conn *websocket.Conn, path, since string) *badRoom {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.rooms[path]
	if room == nil {
		room = &badRoom{}
		s.rooms[path] = room
	}
	write := func(format string, args ...any) {
		conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...))
	}
	from, resumed := room.seq, false
	if parts := strings.Split(since, "."); len(parts) == 3 && parts[0] == badEpoch {
		from, _ = strconv.Atoi(parts[1])
		resumed = s.fault != "tells of a gap"
	}
	if s.fault == "sends before the welcome" {
		write(`{"type":"members","room":"lobby","count":1}`)
	}
	write(`{"type":"welcome","id":"c","session":"x/y","room":"lobby","name":"","epoch":%q,"seq":%d,"resumed":%t}`, badEpoch, from, resumed)
	if since != "now" && s.fault == "tells of a gap" {
		write(`{"type":"gap","room":"lobby","from":1,"to":%d,"why":"epoch"}`, from)
	}
	var missed [][]byte
	for _, k := range room.kept {
		if k.seq > from || k.seq == from && s.fault == "repeats at the seam" {
			missed = append(missed, k.text)
		}
	}
	if n := len(missed); n > 1 && since != "now" {
		switch s.fault {
		case "loses the first missed":
			missed = missed[1:]
		case "loses the last missed":
			missed = missed[:n-1]
		case "repeats the last missed":
			missed = append(missed, missed[n-1])
		case "swaps at the seam":
			missed[0], missed[1] = missed[1], missed[0]
		}
	}
	if s.fault == "forgets one" && since != "now" && !room.forgot {
		room.forgot = true
		return room // it hears nothing
	}
	for _, text := range missed {
		conn.WriteMessage(websocket.TextMessage, text)
	}
	room.members = append(room.members, conn)
	return room
}

// post publishes in the room that members are in, by HTTP.
func (s *badChat) post(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	path := "/ws"
	if name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/rooms/"), "/messages"); name != "lobby" {
		path += "/" + name
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.posts++
	now := s.posts%20 == 10
	room := s.rooms[path]
	s.mu.Unlock()
	if now && s.fault == "is behind" {
		http.Error(w, "later", http.StatusTooManyRequests)
		return
	}
	seq := -1
	if !now || s.fault != "acknowledges what it loses" {
		seq = s.say(room, string(text), "")
	}
	if now && s.fault == "refuses what it says" {
		http.Error(w, "later", http.StatusTooManyRequests)
		return
	}
	if now && s.fault == "acknowledges another number" {
		seq++
	}
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"room":"lobby","seq":%d}`, max(seq, 0))
}

// say returns the message's number.
func (s *badChat) say(room *badRoom, text, nonce string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if room.seq++; s.fault == "counts members" && room.seq%20 == 10 {
		room.seq++
	}
	// Members in an order of its own.
	event := fmt.Appendf(nil, `{"seq":%d,"nonce":%q,"type":"say","at":%d,"id":"c","room":"lobby","text":%q}`, room.seq, nonce, 1764064800000+room.seq, text)
	room.kept = append(room.kept, badSay{room.seq, event})
	for _, m := range room.members {
		if room.seq%20 == 10 {
			m.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"members","room":"lobby","count":%d}`, len(room.members)))
		}
		m.WriteMessage(websocket.TextMessage, event)
	}
	return room.seq
}
