package load

import (
	"bytes"
	"net/http"
	"testing"
)

func TestClientsAreSpreadEvenly(t *testing.T) {
	for _, clients := range []int{1, 7, 20, 1000} {
		for _, rooms := range []Rooms{{}, {Count: 1}, {Count: 3}, {First: 5, Count: 7}} {
			if rooms.Count > clients {
				continue
			}
			for _, filled := range []int{0, clients} {
				rooms.Clients = filled
				members := make(map[int]int)
				for n := range clients {
					members[rooms.of(n)]++
				}
				if len(members) != rooms.Len() {
					t.Errorf("%d clients in %+v are in %d rooms", clients, rooms, len(members))
				}
				for i := range rooms.Len() {
					n := members[rooms.First+i]
					if filled == 0 && n != rooms.Share(i, clients) || n < clients/rooms.Len() || n > clients/rooms.Len()+1 {
						t.Errorf("%d clients in %+v: %d in room %d", clients, rooms, n, i)
					}
				}
			}
		}
	}
}

func TestDeliveriesAreThoseOfEachRoom(t *testing.T) {
	sent := Sent{{3, 4}, {5}, nil}
	if n := sent.Deliveries(Rooms{Count: 3}, 7); n != (3+4)*3+5*2 { // 3, 2 and 2 clients
		t.Errorf("%d deliveries", n)
	}
}

func TestRoomIsBehindThePath(t *testing.T) {
	for _, tt := range []struct {
		url   string
		rooms Rooms
		room  int
		line  string
	}{
		{"ws://127.0.0.1:9000/ws", Rooms{}, 0, "GET /ws HTTP/1.1"},
		{"ws://127.0.0.1:9000", Rooms{}, 0, "GET / HTTP/1.1"},
		{"ws://127.0.0.1:9000/ws?a=b", Rooms{Count: 3}, 2, "GET /ws/r2?a=b HTTP/1.1"},
		{"ws://127.0.0.1:9000/chat/", Rooms{Count: 3}, 0, "GET /chat/r0 HTTP/1.1"},
		{"ws://127.0.0.1:9000", Rooms{First: 7, Count: 1}, 7, "GET /r7 HTTP/1.1"},
	} {
		target, err := NewTarget(tt.url, Raw, http.Header{"X-Test": {"1"}})
		if err != nil {
			t.Fatal(err)
		}
		want := tt.line + "\r\nHost: 127.0.0.1:9000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + secKey +
			"\r\nSec-WebSocket-Version: 13\r\nX-Test: 1\r\n\r\n"
		if got := string(raw{}.request(target, tt.rooms.name(tt.room), nil)); got != want {
			t.Errorf("%s, room %d:\n%s", tt.url, tt.room, got)
		}
	}
}

func TestMessageSaysItsRoom(t *testing.T) {
	payload := make([]byte, 40)
	m := message{room: 513, sender: 7, seq: 300, due: 1 << 40}
	m.encode(payload)
	if want := []byte("chb1\x02\x01\x00\x07\x00\x00\x00\x00\x00\x00\x01\x2c\x00\x00\x01\x00\x00\x00\x00\x00\x2c"); !bytes.HasPrefix(payload, want) {
		t.Errorf("% x", payload)
	}
	if got, err := decode(payload, len(payload)); got != m || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
