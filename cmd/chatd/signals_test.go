package main

import (
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// A terminal that is closed sends SIGHUP twice, and some service managers send
// it beside SIGTERM: all that is one wish.
func TestHangupDrainsHoweverOftenItComes(t *testing.T) {
	u := startUnread(t, "-drain-spread", "1h")
	conn := u.member()
	u.signal(syscall.SIGHUP)
	for u.log.Scan() && !strings.Contains(u.log.Text(), `msg="shutting down" signal=hangup`) {
	}
	u.signal(syscall.SIGHUP)
	u.signal(syscall.SIGTERM)
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err) // the process is gone
	}
	u.await(0)
}

func TestHangupIsIgnoredUnderNohup(t *testing.T) {
	signal.Ignore(syscall.SIGHUP) // inherited
	u := startUnread(t)
	signal.Reset(syscall.SIGHUP)
	conn := u.member()
	u.signal(syscall.SIGHUP)
	hearItself(t, conn)
	u.signal(syscall.SIGTERM)
	for u.log.Scan() && !strings.Contains(u.log.Text(), "shutting down") {
	}
	if !strings.Contains(u.log.Text(), "signal=terminated") {
		t.Error(u.log.Text())
	}
	closed(t, conn)
	conn.CloseNow()
	u.await(0)
}
