package load

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatd/cmd/chatd/certs/certstest"
	"chatd/poller"
)

func TestSessionsAreResumedWhereThatIsAsked(t *testing.T) {
	const patience = 60 * time.Second
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certstest.New().Pair("127.0.0.1").TLS()}})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	// shake makes a handshake, and has the client take in the ticket that follows it.
	shake := func(target *Target) (resumed bool) {
		accepted := make(chan *tls.Conn, 1)
		go func() {
			defer close(accepted)
			c, err := ln.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			conn := c.(*tls.Conn)
			conn.SetDeadline(time.Now().Add(patience))
			if _, err := conn.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			accepted <- conn
		}()
		fd, s, err := target.connect(0, Healthy, new([inSize]byte))
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		conn, ok := <-accepted
		if !ok {
			t.FailNow()
		}
		defer conn.Close()
		for n := poller.WouldBlock; n == poller.WouldBlock; {
			if ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds())); ready == 0 && err == nil {
				t.Fatal("nothing comes")
			}
			if n = s.receive(make([]byte, 1)); n != 1 && n != poller.WouldBlock {
				t.Fatal(n)
			}
		}
		return conn.ConnectionState().DidResume
	}
	for _, asked := range []bool{false, true} {
		target, err := NewTarget("wss://"+ln.Addr().(*net.TCPAddr).String()+"/ws", Raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		if asked && !target.Resume() {
			t.Error("there is TLS, and no session to resume")
		}
		for i := range 3 {
			if resumed := shake(target); resumed != (asked && i > 0) {
				t.Errorf("handshake %d, to be resumed %t: resumed %t", i, asked, resumed)
			}
		}
	}
}
