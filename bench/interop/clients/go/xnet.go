package main

import (
	"context"
	"strings"

	"golang.org/x/net/websocket"
)

// runXNet names an origin as the library's own documentation does: with a slash.
func runXNet(_ context.Context, url string, _ bool) (code int, err error) {
	origin := "http" + strings.TrimPrefix(strings.TrimSuffix(url, "ws"), "ws")
	conn, err := websocket.Dial(url, "", origin)
	if err != nil {
		return 0, err
	}
	for _, m := range script() {
		if m.text {
			err = websocket.Message.Send(conn, m.whole())
		} else {
			err = websocket.Message.Send(conn, []byte(m.whole()))
		}
		if err != nil {
			return 0, err
		}
	}
	codec := websocket.Codec{Unmarshal: func(payload []byte, kind byte, v any) error {
		*v.(*bool) = heard(kind == websocket.TextFrame, payload)
		return nil
	}}
	for bye := false; !bye; {
		if err := codec.Receive(conn, &bye); err != nil {
			return 0, err
		}
	}
	return unknown, conn.Close()
}
