package jetstream

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// what becomes of a copy on its way to a node.
const (
	pass = iota
	drop
	double
	late // behind the next one
)

// proxy is between a node and its server, and decides what becomes of copies.
type proxy struct {
	url string

	mu     sync.Mutex
	decide func(subject string) int // on copies
	all    func(subject string) int // on everything, if it is there
	conns  []net.Conn
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{url: "nats://" + ln.Addr().String(), decide: func(string) int { return pass }}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", strings.TrimPrefix(server, "nats://"))
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, up)
			p.mu.Unlock()
			running.Go(func() { _, _ = io.Copy(up, client); up.Close() })
			running.Go(func() { p.down(client, up); client.Close(); up.Close() })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.cut()
		running.Wait()
	})
	return p
}

// set has copies decided on.
func (p *proxy) set(decide func(subject string) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide = decide
}

// setAll has everything decided on that the server sends.
func (p *proxy) setAll(decide func(subject string) int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = decide
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// down takes what the server says to the client.
func (p *proxy) down(client, up net.Conn) {
	in := bufio.NewReaderSize(up, 1<<20)
	var held []byte
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		fields := strings.Fields(string(line))
		what := pass
		if len(fields) > 3 && (fields[0] == "HMSG" || fields[0] == "MSG") {
			size, _ := strconv.Atoi(fields[len(fields)-1])
			body := make([]byte, size+2)
			if _, err := io.ReadFull(in, body); err != nil {
				return
			}
			line = append(line, body...)
			p.mu.Lock()
			decide, all := p.decide, p.all
			p.mu.Unlock()
			if all != nil {
				what = all(fields[1])
			} else if strings.HasPrefix(fields[1], copiesIn) {
				what = decide(fields[1]) // by one connection at a time
			}
		}
		switch what {
		case drop:
			continue
		case double:
			line = append(line, bytes.Clone(line)...)
		case late:
			held = append(held, line...)
			continue
		}
		if _, err := client.Write(append(line, held...)); err != nil {
			return
		}
		held = nil
	}
}
