//lint:file-ignore SA1019 programs that have not moved on are to be tried, too

package main

import (
	"context"

	"nhooyr.io/websocket"
)

func runNhooyr(ctx context.Context, url string, offer bool) (code int, err error) {
	mode := websocket.CompressionDisabled
	if offer {
		mode = websocket.CompressionContextTakeover
	}
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{CompressionMode: mode})
	if err != nil {
		return 0, err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1)
	for _, m := range script() {
		kind := websocket.MessageBinary
		if m.text {
			kind = websocket.MessageText
		}
		w, err := conn.Writer(ctx, kind)
		if err != nil {
			return 0, err
		}
		for _, part := range m.parts { // a frame each
			if _, err := w.Write([]byte(part)); err != nil {
				return 0, err
			}
		}
		if err := w.Close(); err != nil {
			return 0, err
		}
	}
	for {
		kind, payload, err := conn.Read(ctx)
		if err != nil {
			return 0, err
		}
		if heard(kind == websocket.MessageText, payload) {
			return unknown, conn.Close(websocket.StatusNormalClosure, "")
		}
	}
}
