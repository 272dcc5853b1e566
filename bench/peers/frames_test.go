package peers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const (
	clients  = 20
	senders  = 3
	messages = 200 // of each sender
	round    = 50  // messages of each sender until everybody has caught up: no queue of 256 fills
)

// TestEveryPeerKeepsFramesOfAllSizesHoweverTheyCome has senders that put many
// frames into a write, or cut them anywhere, and checks that all clients get
// all messages unchanged and in the same order.
func TestEveryPeerKeepsFramesOfAllSizesHoweverTheyCome(t *testing.T) {
	for name, command := range build(t) {
		t.Run(name, func(t *testing.T) { testFrames(t, start(t, command)) })
	}
}

// message is what a client received.
type message struct {
	op   ws.OpCode
	data string
}

// client is a connection and what came on it.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	got  []message
}

func (c *client) receive() (message, error) {
	// Pings, if any, are answered on the connection.
	data, op, err := wsutil.ReadServerData(struct {
		io.Reader
		io.Writer
	}{c.r, c.conn})
	return message{op, string(data)}, err
}

func testFrames(t *testing.T, url string) {
	all := make([]*client, clients)
	for i := range all {
		all[i] = join(t, url, i)
	}
	// Whoever joined earlier has the greetings of those after it to read.
	each(t, all, func(i int, c *client) error {
		for j := i + 1; j < clients; j++ {
			m, err := c.receive()
			if err != nil || m.data != greeting(j) {
				return fmt.Errorf("greeting %d: got %.40q, %v", j, m.data, err)
			}
		}
		return nil
	})
	for first := 0; first < messages; first += round {
		each(t, all, func(i int, c *client) error {
			sent := make(chan error, 1)
			if i < senders {
				go func() { sent <- c.send(i, first) }()
			} else {
				sent <- nil
			}
			for range senders * round {
				m, err := c.receive()
				if err != nil {
					return err
				}
				c.got = append(c.got, m)
			}
			return <-sent
		})
	}
	check(t, all)
}

func greeting(i int) string { return fmt.Sprintf("client %d is here", i) }

// join connects client i and waits for its own greeting: then it is in the room.
func join(t *testing.T, url string, i int) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, br, _, err := ws.Dialer{TLSConfig: unverified}.Dial(ctx, url)
	if err != nil {
		t.Fatalf("client %d: %v", i, err)
	}
	t.Cleanup(func() { conn.Close() })
	if br == nil {
		br = bufio.NewReader(conn)
	}
	conn.SetDeadline(time.Now().Add(patience)) // a peer that loses a message fails
	c := &client{conn: conn, r: br}
	if err := wsutil.WriteClientText(conn, []byte(greeting(i))); err != nil {
		t.Fatal(err)
	}
	if m, err := c.receive(); err != nil || m.data != greeting(i) {
		t.Fatalf("client %d joins: got %.40q, %v", i, m.data, err)
	}
	return c
}

// each runs f for all clients at once.
func each(t *testing.T, all []*client, f func(i int, c *client) error) {
	t.Helper()
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			if err := f(i, c); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// content is message n of a sender: text and binary, of all lengths a
// frame's head has a form for.
func content(sender, n int) message {
	sizes := []int{8, 100, 125, 126, 127, 1000, 5000}
	size := sizes[(n+sender)%len(sizes)]
	switch n {
	case messages / 2:
		size = 65535
	case messages - 1:
		size = 65536
	}
	if n%2 == 0 {
		head := fmt.Sprintf("%d %d ", sender, n)
		return message{ws.OpText, head + strings.Repeat("x", size-len(head))}
	}
	data := bytes.Repeat([]byte{0xff, 0x00, byte(sender), byte(n)}, size/4+1)[:size]
	binary.BigEndian.PutUint32(data, uint32(sender))
	binary.BigEndian.PutUint32(data[4:], uint32(n))
	return message{ws.OpBinary, string(data)}
}

// send sends a round. The first sender sends many frames in a write, the
// second cuts them in odd places, the third writes each by itself.
func (c *client) send(sender, first int) error {
	var frames []byte
	for n := first; n < first+round; n++ {
		m := content(sender, n)
		frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(m.op, true, []byte(m.data))))
		if sender == 2 {
			if _, err := c.conn.Write(frame); err != nil {
				return err
			}
			continue
		}
		frames = append(frames, frame...)
	}
	for piece := 1; len(frames) > 0; piece = (piece*5 + 1) % 97 {
		size := len(frames)
		if sender == 1 {
			size = min(size, 1+piece)
		}
		if _, err := c.conn.Write(frames[:size]); err != nil {
			return err
		}
		frames = frames[size:]
	}
	return nil
}

// check compares what all got with what was sent, and with each other.
func check(t *testing.T, all []*client) {
	t.Helper()
	for i, c := range all {
		var next [senders]int
	each:
		for k, m := range c.got {
			if m != all[0].got[k] {
				t.Fatalf("client %d: message %d is not what client 0 got: %.40q, not %.40q", i, k, m.data, all[0].got[k].data)
			}
			for s := range next {
				if next[s] < messages && m == content(s, next[s]) {
					next[s]++
					continue each
				}
			}
			t.Fatalf("client %d: message %d is nobody's next: %v %.40q", i, k, m.op, m.data)
		}
		for s, n := range next {
			if n != messages {
				t.Errorf("client %d: %d messages of sender %d", i, n, s)
			}
		}
	}
}
