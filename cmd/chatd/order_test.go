package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A say of chat.v1, or of a room's events.
type sayEvent struct {
	Type, Text string
	Seq        int
}

// reader is one of a room, whose say returns what is said next, and its number if it is
// told.
type reader struct {
	name string
	say  func() (text string, seq int, err error)
}

// socketReader reads by a WebSocket, which it returns for who wants to speak.
func (p *process) socketReader(ctx context.Context, t *testing.T, name string, options websocket.DialOptions) (reader, *websocket.Conn) {
	t.Helper()
	conn, r, err := websocket.Dial(ctx, "ws://"+p.Addr+"/ws/lobby", &options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	if compressed := r.Header.Get("Sec-WebSocket-Extensions") != ""; compressed != (options.CompressionMode != websocket.CompressionDisabled) {
		t.Errorf("%s: compressed: %v", name, compressed)
	}
	return reader{name, func() (string, int, error) {
		for {
			_, b, err := conn.Read(ctx)
			if err != nil || options.Subprotocols == nil {
				return string(b), 0, err
			}
			var e sayEvent
			if err := json.Unmarshal(b, &e); err != nil || e.Type == "say" {
				return e.Text, e.Seq, err
			}
		}
	}}, conn
}

// eventsReader reads a stream of events, which has begun once it returns.
func eventsReader(t *testing.T, name string, from io.Reader) reader {
	t.Helper()
	s := readStream(t, from)
	if first := <-s.events; !strings.HasPrefix(first, "retry: ") {
		t.Fatalf("%s: %q comes first", name, first)
	}
	return reader{name, func() (string, int, error) {
		for event := range s.events {
			if _, data, ok := strings.Cut(event, "event: say\ndata: "); ok {
				var e sayEvent
				err := json.Unmarshal([]byte(data), &e)
				return e.Text, e.Seq, err
			}
		}
		return "", 0, io.ErrUnexpectedEOF
	}}
}

// Clients of all dialects and a program are in one room, and those who may speak do so
// all at once.
func TestClientsOfAllDialectsHearWhatAProgramPublishesInOneOrder(t *testing.T) {
	each := 5_000
	if raceDetector {
		each = 500
	}
	const programs = 2
	total := (programs + 2) * each
	chatd := startChatd(t, "-api-token-file", writeFile(t, "tokens", "a-token\n"), "-queue", fmt.Sprint(total))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // should something never come
	defer cancel()
	defer http.DefaultClient.CloseIdleConnections()
	deflate := websocket.CompressionNoContextTakeover
	raw, rawConn := chatd.socketReader(ctx, t, "raw", websocket.DialOptions{})
	chat, chatConn := chatd.socketReader(ctx, t, "chat.v1", websocket.DialOptions{Subprotocols: []string{"chat.v1"}})
	rawDeflated, _ := chatd.socketReader(ctx, t, "raw, compressed", websocket.DialOptions{CompressionMode: deflate})
	chatDeflated, _ := chatd.socketReader(ctx, t, "chat.v1, compressed", websocket.DialOptions{Subprotocols: []string{"chat.v1"}, CompressionMode: deflate})
	const path = "/rooms/lobby/events"
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+chatd.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	curl := exec.CommandContext(ctx, "curl", "-sSN", "http://"+chatd.Addr+path)
	out, err := curl.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := curl.Start(); err != nil {
		t.Fatalf("%v: make tools installs it", err)
	}
	defer func() {
		_ = curl.Process.Kill() // it reads on
		_ = curl.Wait()
	}()
	readers := []reader{raw, chat, rawDeflated, chatDeflated, eventsReader(t, "events", r.Body), eventsReader(t, "curl", out)}

	orders := make([][]string, len(readers))
	var all sync.WaitGroup
	for i, reader := range readers {
		all.Go(func() {
			for n := 1; n <= total; n++ {
				text, seq, err := reader.say()
				if err != nil || seq != 0 && seq != n {
					t.Errorf("%s: number %d in place of %d, %v", reader.name, seq, n, err)
					return
				}
				orders[i] = append(orders[i], text)
			}
		})
	}
	speak := func(who string, say func(text string) error) {
		all.Go(func() {
			for n := range each {
				if err := say(fmt.Sprintf("%s says message %d, which is long enough to be worth compressing", who, n)); err != nil {
					t.Errorf("%s: %v", who, err)
					return
				}
			}
		})
	}
	speak("raw", func(text string) error { return rawConn.Write(ctx, websocket.MessageText, []byte(text)) })
	speak("chat.v1", func(text string) error {
		b, err := json.Marshal(map[string]string{"type": "say", "text": text})
		if err != nil {
			return err
		}
		return chatConn.Write(ctx, websocket.MessageText, b)
	})
	acknowledged := make([]map[int]string, programs)
	for i := range programs {
		acknowledged[i] = make(map[int]string)
		speak(fmt.Sprint("program ", i), func(text string) error {
			seq, err := chatd.publish(ctx, text)
			acknowledged[i][seq] = text
			return err
		})
	}
	all.Wait()
	for i, order := range orders {
		if !slices.Equal(order, orders[0]) {
			t.Errorf("%s heard another order than %s", readers[i].name, readers[0].name)
		}
	}
	for i, places := range acknowledged {
		if len(places) != each {
			t.Errorf("program %d was told %d places for %d messages", i, len(places), each)
		}
		for seq, text := range places {
			if seq > len(orders[0]) || orders[0][seq-1] != text {
				t.Fatalf("%q is not where program %d was told", text, i)
			}
		}
	}
}

// publish publishes a text in the lobby, however often a room that is behind sends it
// away, and returns its number.
func (p *process) publish(ctx context.Context, text string) (seq int, err error) {
	for {
		r, err := http.NewRequestWithContext(ctx, "POST", "http://"+p.Addr+"/rooms/lobby/messages", strings.NewReader(text))
		if err != nil {
			return 0, err
		}
		r.Header = http.Header{"Authorization": {"Bearer a-token"}, "Content-Type": {"text/plain"}}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		var placed struct{ Seq int }
		err = json.NewDecoder(answer.Body).Decode(&placed)
		_, _ = io.Copy(io.Discard, answer.Body) // so that the connection is kept
		answer.Body.Close()
		switch {
		case err != nil || answer.StatusCode == http.StatusCreated:
			return placed.Seq, err
		case answer.StatusCode != http.StatusTooManyRequests:
			return 0, fmt.Errorf("it is answered with %s", answer.Status)
		}
	}
}
