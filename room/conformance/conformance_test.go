package conformance_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"chatd/room/conformance"
)

const maxMessage = 65536

func TestX(t *testing.T) {
	for name, s := range map[string]http.HandlerFunc{"gorilla": gorillaEcho, "coder": coderEcho(coder.CompressionContextTakeover), "coderno": coderEcho(coder.CompressionNoContextTakeover)} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle("/ws", s)
			srv := httptest.NewUnstartedServer(mux)
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.Start()
			defer srv.CloseClientConnections()
			target := conformance.Target{Addr: strings.TrimPrefix(srv.URL, "http://"), Path: "/ws", Deflate: true, MaxMessage: maxMessage}
			target.Patience = 1e9
			var g sync.WaitGroup
			slots := make(chan int, 16)
			for _, c := range conformance.Cases() {
				slots <- 1
				g.Go(func() {
					err := c.Run(target)
					if err != nil && !errors.Is(err, conformance.ErrSkipped) {
						t.Errorf("%s: %v", c.Name, err)
					}
					<-slots
				})
			}
			g.Wait()
		})
	}
}

func gorillaEcho(w http.ResponseWriter, r *http.Request) {
	u := gorilla.Upgrader{EnableCompression: true}
	conn, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetReadLimit(maxMessage)
	for {
		typ, m, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if typ == gorilla.TextMessage && !utf8.Valid(m) {
			_ = conn.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(gorilla.CloseInvalidFramePayloadData, ""))
			return
		}
		if conn.WriteMessage(typ, m) != nil {
			return
		}
	}
}

func coderEcho(mode coder.CompressionMode) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: mode})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(maxMessage)
		for {
			typ, m, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if typ == coder.MessageText && !utf8.Valid(m) {
				_ = conn.Close(coder.StatusInvalidFramePayloadData, "")
				return
			}
			if conn.Write(r.Context(), typ, m) != nil {
				return
			}
		}
	}
}
