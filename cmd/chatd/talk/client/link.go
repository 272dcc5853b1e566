package client

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"chatd/room/chat"
)

const (
	dialTimeout  = 15 * time.Second // for name, connection, TLS and handshake together
	beat         = 7 * time.Second  // of silence, then a ping; as long again without a byte, and the link is lost
	closeTimeout = time.Second      // for the server to answer our close
	eventBytes   = 64 << 10         // what an event may have beyond the text in it
)

// link is one connection, from its dialling to its end. It has one goroutine that
// reads, one that writes and one that pings, which end together.
type link struct {
	out    chan []byte // to be written
	frames chan []byte // what was read; closed at the end

	cancel context.CancelFunc

	// Written before the first frame, or before frames is closed.
	conn   *websocket.Conn
	opened time.Time // when the server agreed
	err    error     // why it ended

	heard   atomic.Int64 // bytes, written by who reads the socket
	handing atomic.Bool  // a frame waits to be taken: it is us who are slow; written by read
}

// open begins a link. It has to be closed.
func open(ctx context.Context, url, token string, dial dialFunc) *link {
	ctx, cancel := context.WithCancel(ctx)
	l := &link{out: make(chan []byte), frames: make(chan []byte), cancel: cancel}
	go func() {
		defer close(l.frames)
		defer cancel()
		l.err = l.run(ctx, url, token, dial)
	}()
	return l
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// close ends the link and waits until it has ended.
func (l *link) close() {
	l.cancel()
	for range l.frames { // nobody wants them any more
	}
}

// goodbye closes the link, and tells the server before. There has been a frame.
func (l *link) goodbye() {
	overdue := time.AfterFunc(closeTimeout, l.cancel)
	defer overdue.Stop()
	var closing sync.WaitGroup
	closing.Go(func() { _ = l.conn.Close(websocket.StatusNormalClosure, "") })
	for range l.frames { // the server's answer comes behind what is under way
	}
	closing.Wait()
}

// allow makes the events that hold a text of limit bytes small enough: JSON may
// need six bytes for one.
func (l *link) allow(limit int) { l.conn.SetReadLimit(eventBytes + 6*int64(limit)) }

// run is the link's life. It returns why it ended.
func (l *link) run(ctx context.Context, url, token string, dial dialFunc) error {
	header := make(http.Header)
	if token != "" { // not in the URL, which may be logged on its way
		header.Set("Authorization", "Bearer "+token)
	}
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DisableKeepAlives: true, // a connection is for one handshake
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return listened{conn, &l.heard}, err
		},
	}
	dialing, done := context.WithTimeout(ctx, dialTimeout)
	conn, answer, err := websocket.Dial(dialing, url, &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: transport},
		HTTPHeader:   header,
		Subprotocols: []string{chat.Protocol},
	})
	done()
	if err != nil {
		return notAgreed(err, answer)
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != chat.Protocol {
		return &Refusal{Err: errors.New("the server does not speak " + chat.Protocol), Final: true}
	}
	conn.SetReadLimit(eventBytes)
	l.conn, l.opened = conn, time.Now()

	ctx, cancel := context.WithCancelCause(ctx)
	var others sync.WaitGroup
	others.Go(func() { l.write(ctx) })
	others.Go(func() { cancel(l.ping(ctx)) })
	err = l.read(ctx)
	cancel(err)
	others.Wait()
	return ended(err, context.Cause(ctx))
}

// read hands over what comes, until the link ends.
func (l *link) read(ctx context.Context) error {
	for {
		kind, frame, err := l.conn.Read(ctx)
		switch {
		case err != nil:
			return err
		case kind != websocket.MessageText:
			return errors.New("the server sent a binary frame, which chat.v1 has not")
		}
		l.handing.Store(true)
		select {
		case l.frames <- frame:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		l.handing.Store(false)
	}
}

// write writes what is to be written, until the link ends. If that fails, read
// finds out why: the server's last word may be there to be read.
func (l *link) write(ctx context.Context) {
	for {
		select {
		case frame := <-l.out:
			if l.conn.Write(ctx, websocket.MessageText, frame) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

var errSilent = errors.New("nothing is heard from the server any more")

// ping finds out that a network is dead: it asks when nothing was heard, and
// returns when nothing is heard of that, either.
func (l *link) ping(ctx context.Context) error {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for heard := int64(0); ; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if now := l.heard.Load(); now != heard || l.handing.Load() {
			heard = now
			continue
		}
		asking, done := context.WithTimeout(ctx, beat)
		err := l.conn.Ping(asking)
		done()
		if err != nil && l.heard.Load() == heard && !l.handing.Load() {
			return errSilent
		}
	}
}

// listened is a connection that counts what is heard of it.
type listened struct {
	net.Conn
	heard *atomic.Int64
}

func (l listened) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.heard.Add(int64(n))
	return n, err
}
