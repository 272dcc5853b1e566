package chattest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// Patience bounds what would otherwise hang; no test depends on its length.
const Patience = 60 * time.Second

// Options are how a connection begins.
type Options struct {
	Room     string // "": none is named
	Raw      bool   // no subprotocol
	Compress bool   // permessage-deflate is asked for

	Name, Since, Session string // "": left out
}

// Conn is a connection. One goroutine may read it while another one writes.
type Conn struct {
	Welcome *Event // that it began with; nil: it is raw

	ws *websocket.Conn
	b  bytes.Buffer // the message that was read last; its reader's
}

// Refused is the HTTP status of a handshake that was.
type Refused int

// Error implements error.
func (r Refused) Error() string { return "refused: " + strconv.Itoa(int(r)) }

// Dial opens a connection to the server at addr, a host:port, and hears its
// welcome.
func Dial(addr string, o Options) (*Conn, error) {
	path := "/ws"
	if o.Room != "" {
		path += "/" + o.Room
	}
	query := url.Values{}
	for name, value := range map[string]string{"name": o.Name, "since": o.Since, "session": o.Session} {
		if value != "" {
			query.Set(name, value)
		}
	}
	dialer := websocket.Dialer{EnableCompression: o.Compress}
	if !o.Raw {
		dialer.Subprotocols = []string{"chat.v1"}
	}
	return dial(dialer, "ws://"+addr+path+"?"+query.Encode())
}

func dial(dialer websocket.Dialer, url string) (*Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	ws, response, err := dialer.DialContext(ctx, url, nil)
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, Refused(response.StatusCode)
	} else if err != nil {
		return nil, err
	}
	c := &Conn{ws: ws}
	if got := ws.Subprotocol(); len(dialer.Subprotocols) > 0 && got != "chat.v1" {
		err = fmt.Errorf("the subprotocol is %q", got)
	} else if got != "" {
		c.Welcome, err = c.Next()
		if err == nil && c.Welcome.Type != "welcome" {
			err = fmt.Errorf("the first event is %+v", c.Welcome)
		}
	}
	if err != nil {
		ws.Close()
		return nil, err
	}
	return c, nil
}

// Next reads an event.
func (c *Conn) Next() (*Event, error) {
	binary, b, err := c.Message()
	switch {
	case err != nil:
		return nil, err
	case binary:
		return nil, fmt.Errorf("%w: a binary frame: %.100q", ErrNoEvent, b)
	}
	return Read(b)
}

// Message reads a message as it is. The payload is valid up to the next one.
func (c *Conn) Message() (binary bool, payload []byte, err error) {
	if err := c.ws.SetReadDeadline(time.Now().Add(Patience)); err != nil {
		return false, nil, err
	}
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return false, nil, err
	}
	c.b.Reset()
	_, err = c.b.ReadFrom(r)
	return kind == websocket.BinaryMessage, c.b.Bytes(), err
}

// Send sends an event, or anything else that JSON can say.
func (c *Conn) Send(event any) error {
	b, err := json.Marshal(event)
	if err != nil {
		return err
	}
	return c.Write(false, b)
}

// Write sends a message as it is.
func (c *Conn) Write(binary bool, payload []byte) error {
	kind := websocket.TextMessage
	if binary {
		kind = websocket.BinaryMessage
	}
	return c.ws.WriteMessage(kind, payload)
}

// Cut ends the connection as a network does that vanishes and comes back: what was
// on its way is lost, and nobody says good-bye.
func (c *Conn) Cut() {
	if tcp, ok := c.ws.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset
	}
	c.ws.Close()
}

// Close ends the connection as a program that ends: without a closing handshake.
func (c *Conn) Close() { c.ws.Close() }

// TimedOut reports whether an error of reading is that nothing came in time.
func TimedOut(err error) bool {
	var failed net.Error
	return errors.As(err, &failed) && failed.Timeout()
}

// Closed is the code with which the server closed the connection, by an error of
// reading; 0: it did not.
func Closed(err error) int {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return 0
}
