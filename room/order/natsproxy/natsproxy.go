// Package natsproxy is a proxy between a client of NATS and a server, for tests: it is
// the network that fails. It knows as much of the protocol as it takes to lose or double
// single messages on their way to the client.
package natsproxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fate is what becomes of a message on its way to the client.
type Fate int

// The fates.
const (
	Pass Fate = iota
	Drop
	Double
	Late // it comes behind the next one
)

// Proxy is one in front of a server. Its methods may be called by anybody.
type Proxy struct {
	URL string // of the proxy

	server   string // host and port
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	decide  func(subject string) Fate // nil: all pass
	delay   time.Duration
	open    chan struct{} // closed: bytes pass
	refuses bool
	links   map[*link]bool // nil: it was closed
}

// link is one client's connection.
type link struct {
	client, up net.Conn
	ended      chan struct{}
	end        func()
}

// New starts a proxy on the loopback interface to the server at a URL.
func New(server string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		URL: "nats://" + listener.Addr().String(), server: strings.TrimPrefix(server, "nats://"),
		listener: listener, open: make(chan struct{}), links: make(map[*link]bool),
	}
	close(p.open)
	p.running.Go(p.accept)
	return p, nil
}

// Close ends it, and all connections.
func (p *Proxy) Close() {
	p.listener.Close()
	p.mu.Lock()
	links := p.links
	p.links = nil
	p.mu.Unlock()
	for l := range links {
		l.end()
	}
	p.running.Wait()
}

// Decide has the fate of messages to the client decided on by their subjects; nil: all
// pass. It may be called for several connections at a time.
func (p *Proxy) Decide(decide func(subject string) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

// Delay has all that is sent, either way, arrive later by so much.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut ends all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.end()
	}
}

// Refuse ends all connections and takes no others, or takes them again.
func (p *Proxy) Refuse(refuses bool) {
	p.mu.Lock()
	p.refuses = refuses
	p.mu.Unlock()
	if refuses {
		p.Cut()
	}
}

// Hold has nothing arrive any more, or all that was held: nobody is told.
func (p *Proxy) Hold(holds bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := false
	select {
	case <-p.open:
	default:
		held = true
	}
	switch {
	case holds && !held:
		p.open = make(chan struct{})
	case !holds && held:
		close(p.open)
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	up, err := net.Dial("tcp", p.server)
	if err != nil {
		client.Close()
		return
	}
	l := &link{client: client, up: up, ended: make(chan struct{})}
	l.end = sync.OnceFunc(func() {
		close(l.ended)
		client.Close()
		up.Close()
	})
	defer l.end()
	p.mu.Lock()
	refused := p.refuses || p.links == nil
	if !refused {
		p.links[l] = true
	}
	p.mu.Unlock()
	if refused {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.pipe(l, up, chunks(client)); l.end() })
	both.Go(func() { p.pipe(l, client, p.messages(up)); l.end() })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// flying is how many pieces may be on their way.
const flying = 1024

// piece is something on its way.
type piece struct {
	due time.Time
	b   []byte
}

// pipe takes what next reads to its destination, each piece in its time. It ends when both
// reading and writing have.
func (p *Proxy) pipe(l *link, to io.Writer, next func() ([]byte, error)) {
	way := make(chan piece, flying)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(way)
		for {
			b, err := next()
			if err != nil {
				return
			}
			p.mu.Lock()
			due := time.Now().Add(p.delay)
			p.mu.Unlock()
			select {
			case way <- piece{due, b}:
			case <-l.ended:
				return
			}
		}
	})
	for it := range way {
		if !p.arrives(l, it.due) {
			break
		}
		if _, err := to.Write(it.b); err != nil {
			break
		}
	}
	l.end()
	reading.Wait()
}

// arrives waits until something may arrive, and reports whether it does.
func (p *Proxy) arrives(l *link, due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		select {
		case <-time.After(wait):
		case <-l.ended:
			return false
		}
	}
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	select {
	case <-open:
		return true
	case <-l.ended:
		return false
	}
}

// chunks reads whatever comes.
func chunks(from io.Reader) func() ([]byte, error) {
	return func() ([]byte, error) {
		b := make([]byte, 32<<10)
		n, err := from.Read(b)
		if n > 0 {
			return b[:n], nil
		}
		return nil, err
	}
}

// messages reads what the server says, without what is lost, and with what is doubled.
func (p *Proxy) messages(from io.Reader) func() ([]byte, error) {
	in := bufio.NewReaderSize(from, 1<<20)
	var late []byte
	return func() ([]byte, error) {
		for {
			b, fate, err := p.message(in)
			switch {
			case err != nil:
				return nil, err
			case fate == Drop:
				continue
			case fate == Late:
				late = append(late, b...)
				continue
			case fate == Double:
				b = append(b, bytes.Clone(b)...)
			}
			b = append(b, late...)
			late = nil
			return b, nil
		}
	}
}

// message reads a line of the protocol, and what belongs to it.
func (p *Proxy) message(in *bufio.Reader) (b []byte, fate Fate, err error) {
	if b, err = in.ReadBytes('\n'); err != nil {
		return nil, Pass, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 4 || fields[0] != "HMSG" && fields[0] != "MSG" {
		return b, Pass, nil
	}
	size, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return nil, Pass, err
	}
	head := len(b)
	b = append(b, make([]byte, size+2)...)
	if _, err := io.ReadFull(in, b[head:]); err != nil {
		return nil, Pass, err
	}
	p.mu.Lock()
	decide := p.decide
	p.mu.Unlock()
	if decide != nil {
		fate = decide(fields[1])
	}
	return b, fate, nil
}
