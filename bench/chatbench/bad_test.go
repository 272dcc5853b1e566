package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatd/cmd/chatd/certs/certstest"
)

// badServer is a broadcast server with a planted fault. The test binary is one
// when asBadServer is in the environment, with the fault's name, in which "_" is a space.
type badServer struct {
	fault string

	mu       sync.Mutex // the server's only one: it need not be fast
	members  []*badMember
	messages int
	leak     [][]byte

	deliveries atomic.Int64
}

type badMember struct {
	conn *websocket.Conn
	room string // the path
	held []byte // by fault swap
}

const asBadServer = "CHATBENCH_TEST_FAULT"

func TestMain(m *testing.M) {
	cut()
	if len(os.Args) > 1 && (os.Args[1] == helperCommand || os.Args[1] == peersCommand) { // the harness starts itself
		main()
		return
	}
	if fault, ok := os.LookupEnv(asBadServer); ok {
		serveBadly(strings.ReplaceAll(fault, "_", " "), os.Args[len(os.Args)-1])
		return
	}
	status := m.Run()
	removeBuilt()
	os.Exit(status)
}

func serveBadly(fault, addr string) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	pairs, err := certificateOf(os.Args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fault, secure := strings.CutPrefix(fault, "tls: ")
	if secure {
		pairs = []tls.Certificate{certstest.New().Pair("127.0.0.1").TLS()}
	}
	if len(pairs) > 0 {
		ln = tls.NewListener(ln, &tls.Config{Certificates: pairs})
	}
	var handler http.Handler = &badServer{fault: fault}
	if fault, ok := strings.CutPrefix(fault, "chat: "); ok {
		handler = &badChat{fault: fault, rooms: make(map[string]*badRoom)}
	}
	fmt.Fprintln(os.Stderr, http.Serve(ln, handler))
}

// ServeHTTP implements http.Handler.
func (s *badServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/deliveries":
		fmt.Fprint(w, s.deliveries.Load())
		return
	case s.fault == "refuse":
		http.Error(w, "no room for you", http.StatusServiceUnavailable)
		return
	}
	up := websocket.Upgrader{EnableCompression: s.fault == "compress"}
	s.mu.Lock() // who has the answer is a member
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		s.mu.Unlock()
		return
	}
	defer conn.Close()
	me := &badMember{conn: conn, room: r.URL.Path}
	s.members = append(s.members, me)
	alone := func() bool { // it is the first in its room
		return !slices.ContainsFunc(s.members[:len(s.members)-1], func(m *badMember) bool { return m.room == me.room })
	}
	if s.fault == "leak" || s.fault == "leak by room" && alone() {
		s.leak = append(s.leak, make([]byte, 10<<10))
		clear(s.leak[len(s.leak)-1]) // resident
	}
	if s.fault == "garbage" && len(s.members) == 2 {
		conn.NetConn().Write([]byte("\xff\xff\xff\xff"))
	}
	s.mu.Unlock()
	for {
		_, payload, err := conn.ReadMessage()
		if err != nil {
			return
		}
		s.broadcast(me.room, payload)
	}
}

func (s *badServer) broadcast(room string, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.messages++; s.fault == "stall" && s.messages%50 == 0 {
		time.Sleep(200 * time.Millisecond)
	}
	for i, m := range s.members {
		switch {
		case m.room == room || s.fault == "no rooms":
			s.deliver(i, m, payload)
		case s.fault == "foreign" && s.messages%20 == 10:
			s.write(m, payload)
		}
	}
}

func (s *badServer) deliver(i int, m *badMember, payload []byte) {
	victim := i == len(s.members)-1
	switch {
	case s.fault == "drop" && s.deliveries.Load()%1000 == 999:
		s.deliveries.Add(1)
		return
	case s.fault == "swap" && victim && s.messages%100 == 50:
		m.held = payload
		time.AfterFunc(300*time.Millisecond, func() { // unless the next one comes first, it was the last
			s.mu.Lock()
			defer s.mu.Unlock()
			s.release(m)
		})
		return
	case s.fault == "duplicate" && victim && s.messages%100 == 50:
		s.write(m, payload)
	case s.fault == "corrupt" && victim && s.messages%100 == 50:
		payload = append([]byte(nil), payload...)
		payload[len(payload)-1]++
	case s.fault == "join" && victim && s.messages%100 == 50:
		payload = append(append(append([]byte(nil), payload...), '\n'), payload...)
	case s.fault == "hangup" && victim && s.messages == 50:
		m.conn.Close()
		return
	case s.fault == "close" && victim && s.messages == 50:
		m.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1013, "too slow"), time.Time{})
		return
	}
	s.write(m, payload)
	s.release(m)
}

// release delivers what was held back.
func (s *badServer) release(m *badMember) {
	if m.held != nil {
		s.write(m, m.held)
		m.held = nil
	}
}

func (s *badServer) write(m *badMember, payload []byte) {
	s.deliveries.Add(1)
	m.conn.WriteMessage(websocket.BinaryMessage, payload)
}

// startBadly starts a server with a fault and returns its URL and process.
func startBadly(t *testing.T, fault string) (url string, s *server) {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	url = "ws://" + addr + "/ws"
	if strings.HasPrefix(fault, "tls: ") {
		url = "wss://" + addr + "/ws"
	}
	if s, err = startServer(t.Context(), "env "+asBadServer+"="+strings.ReplaceAll(fault, " ", "_")+" "+exe+" "+addr, url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return url, s
}

// serverDeliveries is how many deliveries the server itself has counted.
func serverDeliveries(t *testing.T, url string) int {
	t.Helper()
	r, err := http.Get("http" + url[len("ws"):len(url)-len("/ws")] + "/deliveries")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var b [20]byte
	n, _ := r.Body.Read(b[:])
	count, err := strconv.Atoi(string(b[:n]))
	if err != nil {
		t.Fatal(err)
	}
	return count
}
