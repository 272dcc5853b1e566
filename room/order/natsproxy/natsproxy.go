// Package natsproxy is a proxy between a client of NATS and a server, for tests: it is
// the network that fails. It knows as much of the protocol as it takes to lose or double
// single messages on their way to the client.
package natsproxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fate is what becomes of a message on its way.
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
	decide  func(subject string) Fate // on what the server sends; nil: all pass
	sent    func(subject string) Fate // on what the client sends, likewise
	version string                    // that the server says it has; empty: its own
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

// DecideSent has the fate of messages from the client decided on, likewise.
func (p *Proxy) DecideSent(decide func(subject string) Fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = decide
}

// Pretend has the server say that it is of a version.
func (p *Proxy) Pretend(version string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version = version
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
	both.Go(func() { p.pipe(l, up, p.messages(client, &p.sent, "PUB", "HPUB")) })
	both.Go(func() { p.pipe(l, client, p.messages(up, &p.decide, "MSG", "HMSG")) })
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

// messages reads what one side says, without what is lost, and with what is doubled. Messages
// are of these kinds.
func (p *Proxy) messages(from io.Reader, decide *func(string) Fate, kinds ...string) func() ([]byte, error) {
	in := bufio.NewReaderSize(from, 1<<20)
	var late []byte
	return func() ([]byte, error) {
		for {
			b, subject, err := message(in, kinds)
			if err != nil {
				return nil, err
			}
			if bytes.HasPrefix(b, []byte("INFO ")) {
				b = p.info(b)
			}
			switch p.fate(subject, decide) {
			case Drop:
				continue
			case Late:
				late = append(late, b...)
				continue
			case Double:
				b = append(b, bytes.Clone(b)...)
			}
			b = append(b, late...)
			late = nil
			return b, nil
		}
	}
}

// info is what a server says of itself.
func (p *Proxy) info(b []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.version == "" {
		return b
	}
	return versions.ReplaceAll(b, []byte(`"version":"`+p.version+`"`))
}

var versions = regexp.MustCompile(`"version":"[^"]*"`)

// fate is that of what has the subject; empty: it is no message.
func (p *Proxy) fate(subject string, decide *func(string) Fate) Fate {
	p.mu.Lock()
	f := *decide
	p.mu.Unlock()
	if f == nil || subject == "" {
		return Pass
	}
	return f(subject)
}

// message reads a line of the protocol, and what belongs to it.
func message(in *bufio.Reader, kinds []string) (b []byte, subject string, err error) {
	if b, err = in.ReadBytes('\n'); err != nil {
		return nil, "", err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 3 || !slices.Contains(kinds, fields[0]) {
		return b, "", nil
	}
	size, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return nil, "", err
	}
	head := len(b)
	b = append(b, make([]byte, size+2)...)
	_, err = io.ReadFull(in, b[head:])
	return b, fields[1], err
}
