package interop

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
)

// neighbour is the other member of the room: what it hears is what the client
// has to hear.
type neighbour struct {
	conn  *websocket.Conn
	heard []Message
}

// newNeighbour connects by a client, nil for the usual one.
func newNeighbour(ctx context.Context, url string, by *http.Client) (*neighbour, error) {
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: by})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(-1)
	return &neighbour{conn: conn}, nil
}

// talk hears the greeting, answers, waits for the client to answer a ping, or for
// that to be hopeless, and says bye.
func (n *neighbour) talk(ctx context.Context, pinged <-chan struct{}, hopeless time.Duration) error {
	if err := n.hear(ctx, len(Greeting())); err != nil {
		return fmt.Errorf("the neighbour heard %d of the client's messages: %w", len(n.heard), err)
	}
	for _, m := range answer() {
		if err := n.say(ctx, m); err != nil {
			return err
		}
	}
	quiet := make(chan error, 1)
	listening, stop := context.WithCancel(ctx)
	defer stop()
	go func() { quiet <- n.hear(listening, len(answer())+1) }() // it answers pings, too
	select {
	case <-pinged:
	case <-time.After(hopeless):
	case err := <-quiet:
		return err
	}
	if err := n.say(ctx, bye); err != nil {
		return err
	}
	return <-quiet
}

func (n *neighbour) say(ctx context.Context, m Message) error {
	kind := websocket.MessageBinary
	if m.Op == ws.OpText {
		kind = websocket.MessageText
	}
	return n.conn.Write(ctx, kind, []byte(m.Payload))
}

// hear hears so many messages.
func (n *neighbour) hear(ctx context.Context, count int) error {
	for range count {
		if _, err := n.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hearOut hears everything up to a message.
func (n *neighbour) hearOut(ctx context.Context, last Message) error {
	for {
		if m, err := n.next(ctx); err != nil || m == last {
			return err
		}
	}
}

func (n *neighbour) next(ctx context.Context) (Message, error) {
	kind, b, err := n.conn.Read(ctx)
	if err != nil {
		return Message{}, err
	}
	m := Message{ws.OpBinary, string(b)}
	if kind == websocket.MessageText {
		m.Op = ws.OpText
	}
	n.heard = append(n.heard, m)
	return m, nil
}
