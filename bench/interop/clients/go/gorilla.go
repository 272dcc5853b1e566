package main

import (
	"context"
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

// runGorilla sends a message in several frames if it is larger than the write
// buffer.
func runGorilla(ctx context.Context, url string, offer bool) (code int, err error) {
	dialer := websocket.Dialer{EnableCompression: offer, WriteBufferSize: 4096}
	conn, _, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	for _, m := range script() {
		kind := websocket.BinaryMessage
		if m.text {
			kind = websocket.TextMessage
		}
		w, err := conn.NextWriter(kind)
		if err != nil {
			return 0, err
		}
		if _, err := w.Write([]byte(m.whole())); err != nil {
			return 0, err
		}
		if err := w.Close(); err != nil {
			return 0, err
		}
	}
	for {
		kind, payload, err := conn.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			return closed.Code, nil
		case err != nil:
			return 0, err
		}
		if heard(kind == websocket.TextMessage, payload) {
			bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
			if err := conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(patience)); err != nil {
				return 0, err
			}
		}
	}
}
