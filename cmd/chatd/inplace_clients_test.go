package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// descriptors is how many p has.
func (p *process) descriptors() int {
	p.t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(all)
}

func TestClientsNoticeNothingOfUpgrades(t *testing.T) {
	t.Parallel()
	certificate, _, _ := certified(t)
	p := startChatd(t, append(certificate, "-tls-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0")...)
	var all []*websocket.Conn
	for range 4 {
		conn, _, err := websocket.Dial(t.Context(), "ws://"+p.Addr+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.CloseNow() })
		all = append(all, conn, p.dialTLS(t, p.TLS))
	}
	say := func(text string) {
		t.Helper()
		for i, speaker := range all {
			if err := speaker.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, "%s %d", text, i)); err != nil {
				t.Fatal(err)
			}
			for _, conn := range all {
				if _, said, err := conn.Read(t.Context()); err != nil || string(said) != fmt.Sprintf("%s %d", text, i) {
					t.Fatalf("%q, %v", said, err)
				}
			}
		}
	}
	say("before")
	most := 0
	for n := range 5 {
		if said := p.asks(0); !strings.Contains(said, fmt.Sprintf("%d connections carried, 0 not", len(all))) {
			t.Error(said)
		}
		say(fmt.Sprint("after ", n))
		if n == 0 {
			most = p.descriptors()
		}
	}
	if now := p.descriptors(); now > most+3 {
		t.Errorf("%d descriptors, and %d after the first upgrade", now, most)
	}
}

// Whoever comes while the program is replaced is served by the next one.
func TestClientsMayComeAtAnyMomentOfAnUpgrade(t *testing.T) {
	t.Parallel()
	p := startChatd(t)
	var upgraded atomic.Bool
	var comers sync.WaitGroup
	for n := range 4 {
		comers.Go(func() {
			for !upgraded.Load() {
				if err := comeAndGo(t.Context(), fmt.Sprintf("ws://%s/ws/%d", p.Addr, n)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 8 {
		p.asks(0)
	}
	upgraded.Store(true)
	comers.Wait()
}

// comeAndGo comes to a room in which nobody else is, and leaves again.
func comeAndGo(ctx context.Context, url string) error {
	conn, _, _, err := ws.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	hello, farewell := []byte("hello"), ws.NewCloseFrameBody(ws.StatusNormalClosure, "")
	if err := errors.Join(wsutil.WriteClientText(conn, hello), wsutil.WriteClientMessage(conn, ws.OpClose, farewell)); err != nil {
		return err
	}
	want := append(ws.MustCompileFrame(ws.NewTextFrame(hello)), ws.MustCompileFrame(ws.NewCloseFrame(farewell))...)
	heard := make([]byte, len(want))
	if _, err := io.ReadFull(conn, heard); err != nil || !bytes.Equal(heard, want) {
		return fmt.Errorf("heard %q, %w", heard, err)
	}
	return nil
}
