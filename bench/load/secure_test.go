package load

import (
	"crypto/tls"
	"log/slog"
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

// The number of a descriptor that is closed is soon another socket's.
func TestWhoSendsAfterTheEndIsHeardByNobodyElse(t *testing.T) {
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certstest.New().Pair("127.0.0.1").TLS()}})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	shaken := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			defer conn.Close()
			err = conn.(*tls.Conn).HandshakeContext(t.Context())
		}
		shaken <- err
	}()
	target, err := NewTarget("wss://"+ln.Addr().String()+"/ws", Raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	fd, s, err := target.connect(0, Healthy, new([inSize]byte))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	pool := poller.NewPool(0, poller.NewPlain, slog.Default())
	defer pool.Close()
	c := &client{Wire: Wire{secure: s}}
	c.Attach(fd, pool, c)
	c.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	if pair[0] != int(fd) { // else it has the number already
		if err := unix.Dup3(pair[0], int(fd), unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(pair[0])
	}
	defer unix.Close(int(fd))
	if n := c.Send(nil, []byte("hello")); n >= 0 {
		t.Errorf("%d bytes were sent", n)
	}
	if n, err := unix.Read(pair[1], make([]byte, 100)); err != unix.EAGAIN {
		t.Errorf("somebody else has got %d bytes, %v", n, err)
	}
}
