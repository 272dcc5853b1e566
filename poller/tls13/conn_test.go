package tls13

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// connect is two Conns that belong together, on TCP.
func connect(t testing.TB, s suite) (server, client *Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	one, other := newPair(s)
	server, client = NewConn(a, one), NewConn(c, other)
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

// A client of this package, and any server.
func TestClientSpeaksWithCryptoTLS(t *testing.T) {
	for _, group := range groups {
		t.Run(group.String(), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				c := tls.Server(nc, serverConfig())
				_ = c.SetDeadline(time.Now().Add(patience))
				if _, err := io.Copy(c, c); err != nil {
					t.Error(err)
				}
				c.Close()
			})
			defer serving.Wait()
			defer l.Close()
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = nc.SetDeadline(time.Now().Add(patience))
			config := clientConfig()
			config.CurvePreferences = []tls.CurveID{group}
			c, state, err := Client(nc, config)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if state.CurveID != group || state.NegotiatedProtocol != "http/1.1" {
				t.Errorf("%+v", state)
			}
			exchange(t, c, 200_000)
		})
	}
}

func TestClientSpeaksWithTheLoop(t *testing.T) {
	l := startLoop(t, serverConfig())
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			c, _, err := Client(dial(t, l), clientConfig())
			if err != nil {
				t.Error(err)
				return
			}
			exchange(t, c, 50_000)
			c.Close()
		})
	}
	clients.Wait()
}

func TestClientSaysWhyAHandshakeFails(t *testing.T) {
	l := startLoop(t, serverConfig())
	config := clientConfig()
	config.ServerName = "other.example"
	if c, _, err := Client(dial(t, l), config); c != nil || err == nil || !strings.Contains(err.Error(), "other.example") {
		t.Error(err)
	}
}

// The page goes to net/http with what it has read, and comes back.
func TestNetHTTPServes(t *testing.T) {
	l := startLoop(t, serverConfig()) // for its handshakes
	listener := &given{conns: make(chan net.Conn, 10)}
	listener.done, listener.close = context.WithCancel(context.Background())
	large := bytes.Repeat([]byte("large"), 100_000)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/large" {
			w.Write(large)
		}
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, body)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(listener) })
	defer serving.Wait()
	defer server.Close()
	defer listener.close()

	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			a, c := net.Pipe()
			m := newMemory()
			h := l.acceptor.begin(piped{m, a})
			served := make(chan *Result)
			go func() {
				buf := make([]byte, 4096)
				var r *Result
				for r == nil {
					n, err := a.Read(buf[:min(h.Room(), len(buf))])
					if h.Feed(buf[:n]); err != nil {
						h.End()
					}
					r = m.run(h)
				}
				served <- r
			}()
			conn, _, err := Client(c, clientConfig())
			if err != nil {
				return nil, err
			}
			r := <-served
			listener.conns <- NewConn(a, r.Session)
			return conn, nil
		},
	}}
	defer client.CloseIdleConnections()
	for range 3 {
		for _, path := range []string{"/a", "/large"} {
			resp, err := client.Post("https://chat.example"+path, "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := "POST " + path + " body"
			if path == "/large" {
				want = string(large) + want
			}
			if err != nil || string(got) != want {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		}
	}
}

// piped sends on a net.Pipe, which blocks.
type piped struct {
	*memory
	conn net.Conn
}

func (p piped) Send(b []byte) int {
	n, _ := p.conn.Write(b)
	return n
}

// given is a net.Listener of connections that a test makes.
type given struct {
	conns chan net.Conn
	done  context.Context
	close func()
}

func (g *given) Accept() (net.Conn, error) {
	select {
	case c := <-g.conns:
		return c, nil
	case <-g.done.Done():
		return nil, net.ErrClosed
	}
}
func (g *given) Close() error   { g.close(); return nil }
func (g *given) Addr() net.Addr { return &net.TCPAddr{} }

func TestReadGoesOnAfterItsDeadline(t *testing.T) {
	server, client := connect(t, aes128)
	record := record(&client.session.Writer, typeData, []byte("one"))
	p := make([]byte, 100)
	for _, part := range [][]byte{record[:3], record[3:10], record[10 : len(record)-1], nil} {
		if _, err := client.Conn.Write(part); err != nil {
			t.Fatal(err)
		}
		_ = server.SetReadDeadline(time.Now().Add(time.Millisecond))
		if n, err := server.Read(p); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d %v", n, err)
		}
	}
	_ = server.SetReadDeadline(time.Time{})
	if _, err := client.Conn.Write(record[len(record)-1:]); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(p); string(p[:n]) != "one" || err != nil {
		t.Errorf("%q %v", p[:n], err)
	}
}

func TestWriteGoesOnAfterItsDeadline(t *testing.T) {
	server, client := connect(t, chacha)
	_ = server.Conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
	data := make([]byte, 8<<20)
	for i := range data {
		data[i] = byte(i * 7 >> 3)
	}
	at, late := 0, 0
	for late < 3 { // until it is stuck
		_ = server.SetWriteDeadline(time.Now().Add(5 * time.Millisecond))
		n, err := server.Write(data[at:min(len(data), at+50_000)])
		if at += n; errors.Is(err, os.ErrDeadlineExceeded) {
			late++
		} else if err != nil {
			t.Fatal(err)
		}
		if at == len(data) {
			t.Skip("the socket takes all")
		}
	}
	if s := server.Detach(); s != nil {
		t.Error("a record is half sent, and the session is given away")
	}
	_ = server.SetWriteDeadline(time.Time{})
	var reading sync.WaitGroup
	reading.Go(func() {
		got, err := io.ReadAll(client)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes of %d came, %v", len(got), len(data), err)
		}
	})
	if _, err := server.Write(data[at:]); err != nil {
		t.Error(err)
	}
	server.Close()
	reading.Wait()
}

func TestSessionIsGivenBack(t *testing.T) {
	server, client := connect(t, aes256)
	if _, err := client.Write([]byte("abcdef")); err != nil {
		t.Fatal(err)
	}
	client.update.Store(true)
	if _, err := client.Write([]byte("ghi")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 3)
	if _, err := io.ReadFull(server, p); err != nil || string(p) != "abc" {
		t.Fatalf("%q %v", p, err)
	}
	s := server.Detach()
	if _, err := server.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := server.Write(p); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	again := NewConn(server.Conn, s)
	rest := make([]byte, 6)
	if _, err := io.ReadFull(again, rest); err != nil || string(rest) != "defghi" {
		t.Errorf("%q %v", rest, err)
	}
}

func TestEndsOfAConn(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(c *Conn)
		want error
	}{
		"closed":      {func(c *Conn) { c.Close() }, io.EOF},
		"half closed": {func(c *Conn) { c.CloseWrite() }, io.EOF},
		"cut":         {func(c *Conn) { c.Conn.Close() }, io.ErrUnexpectedEOF},
		"forged":      {func(c *Conn) { c.Conn.Write(make([]byte, 30)) }, UnexpectedMessage},
		"alerted":     {func(c *Conn) { c.end(InternalError) }, InternalError},
	} {
		server, client := connect(t, aes128)
		if _, err := client.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		tt.end(client)
		p := make([]byte, 10)
		n, err := server.Read(p)
		if n != 1 || err != nil {
			t.Errorf("%s: %d %v", name, n, err)
		}
		for range 2 {
			if n, err := server.Read(p); n != 0 || !errors.Is(err, tt.want) {
				t.Errorf("%s: %d %v, want %v", name, n, err, tt.want)
			}
		}
		if name == "forged" { // the client is told
			if _, err := client.Read(p); !errors.Is(err, UnexpectedMessage) {
				t.Error(err)
			}
		}
		server.Close()
		if n, err := server.Write(p); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: a write after Close: %d %v", name, n, err)
		}
	}
}

func TestCloseEndsReadsAndWrites(t *testing.T) {
	server, _ := connect(t, aes128)
	var busy sync.WaitGroup
	busy.Go(func() {
		if n, err := server.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Error(n, err)
		}
	})
	busy.Go(func() {
		for {
			if _, err := server.Write(make([]byte, 100_000)); err != nil {
				return
			}
		}
	})
	for server.writing.TryLock() { // it is not stuck in a Write yet
		server.writing.Unlock()
	}
	server.Close()
	busy.Wait()
}

// The peer wants that before any more data, whoever was the Writer's owner when it said so.
func TestKeysThatAreOwedAreChangedWithTheFirstWrite(t *testing.T) {
	server, client := connect(t, aes128)
	w := &server.session.Writer
	secret := w.material
	w.Update()
	if _, err := server.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	if n, err := client.Read(p); string(p[:n]) != "answer" || err != nil {
		t.Errorf("%q %v", p[:n], err)
	}
	if w.material == secret || w.Pending() {
		t.Errorf("the keys are as they were, pending %v", w.Pending())
	}
}

func TestBothChangeTheirKeys(t *testing.T) {
	for _, s := range suites {
		server, client := connect(t, s)
		server.session.Writer.seq, client.session.Reader.seq = updateAt-3, updateAt-3
		secret := client.session.Writer.material
		var writing sync.WaitGroup
		writing.Go(func() {
			for i := range 10 {
				if _, err := server.Write([]byte{byte(i)}); err != nil {
					t.Error(err)
				}
			}
			// And it asks for the client's, which come with the next data.
			server.writing.Lock()
			b := record(&server.session.Writer, typeHandshake, askForUpdate)
			server.session.Writer.update()
			server.session.Writer.busy.aead = nil
			if err := server.send(b); err != nil {
				t.Error(err)
			}
			server.writing.Unlock()
			server.CloseWrite()
		})
		if got, err := io.ReadAll(client); len(got) != 10 || err != nil {
			t.Errorf("%x %v", got, err)
		}
		writing.Wait()
		if _, err := client.Write([]byte("answer")); err != nil {
			t.Error(err)
		}
		client.CloseWrite()
		if got, err := io.ReadAll(server); string(got) != "answer" || err != nil || client.session.Writer.material == secret {
			t.Errorf("%q %v", got, err)
		}
	}
}
