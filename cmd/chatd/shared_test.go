package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"chatd/room/order/natstest"
)

func TestTwoNodesHaveOneOrderByNATS(t *testing.T) {
	t.Parallel()
	url := natstest.Start(t).URL
	const messages = 100
	var nodes []*process
	var heard [2]chan string
	var conns []*websocket.Conn
	for i := range heard {
		p := startChatd(t, "-nats", url, "-nats-partitions", "2", "-admin", "127.0.0.1:0")
		nodes = append(nodes, p)
		conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr+"/ws/lobby", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.CloseNow() })
		conns = append(conns, conn)
		heard[i] = make(chan string, 2*messages)
		go func() {
			defer close(heard[i])
			for range 2 * messages {
				_, b, err := conn.Read(t.Context())
				if err != nil {
					return
				}
				heard[i] <- string(b)
			}
		}()
	}
	for i, conn := range conns {
		(&client{t, conn}).flood(fmt.Sprint("node", i), messages)
	}
	var all [2][]string
	for i := range heard {
		for m := range heard[i] {
			all[i] = append(all[i], m)
		}
	}
	if len(all[0]) != 2*messages || !slices.Equal(all[0], all[1]) {
		t.Errorf("%d and %d messages, or another order", len(all[0]), len(all[1]))
	}
	answer, err := http.Get("http://" + nodes[0].Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"chatd_nats_copies_total 200\n", "chatd_nats_publish_duration_seconds_count 100\n", "chatd_nats_connected 1\n"} {
		if !strings.Contains(string(body), line) {
			t.Errorf("/metrics has no %q", line)
		}
	}
}
