package main

import (
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
	u.says(`msg="shutting down" signal=hangup`)
	u.signal(syscall.SIGHUP)
	u.signal(syscall.SIGTERM)
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err) // the process is gone
	}
	u.await(0)
}

func TestHangupIsIgnoredUnderNohup(t *testing.T) {
	u := startUnreadWith(t, `trap "" HUP`)
	conn := u.member()
	u.signal(syscall.SIGHUP)
	hearItself(t, conn)
	u.signal(syscall.SIGTERM)
	if line := u.says("shutting down"); !strings.Contains(line, "signal=terminated") {
		t.Error(line)
	}
	closed(t, conn)
	conn.CloseNow()
	u.await(0)
}
