// Command netpoll is the shape of gobwas/ws's own chat example: readiness by
// easygo's netpoll handles, a pool of goroutines, and a pool task for each
// write. A client with 256 messages waiting is dropped.
package main

import (
	"io"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/mailru/easygo/netpoll"

	"chatd/bench/peers/listen"
)

const (
	workers    = 128
	tasks      = 1 << 16
	queue      = 256
	maxMessage = 64 << 10
)

// pool runs functions on a number of goroutines.
type pool chan func()

func newPool() pool {
	p := make(pool, tasks)
	for range workers {
		go func() {
			for f := range p {
				f()
			}
		}()
	}
	return p
}

type client struct {
	room *room
	conn net.Conn
	desc *netpoll.Desc

	mu      sync.Mutex
	waiting [][]byte // frames; the order of the room
	writing bool     // a task is under way
	gone    bool     // desc is closed
}

type room struct {
	pool   pool
	poller netpoll.Poller

	mu      sync.Mutex // keeps the order of messages the same for all
	members map[*client]struct{}
}

func (r *room) accept(conn net.Conn) {
	if _, err := ws.Upgrade(conn); err != nil {
		conn.Close()
		return
	}
	c := &client{room: r, conn: conn, desc: netpoll.Must(netpoll.HandleReadOnce(conn))}
	r.mu.Lock()
	r.members[c] = struct{}{}
	r.mu.Unlock()
	c.mu.Lock() // a desc is not safe for use by several goroutines
	defer c.mu.Unlock()
	r.poller.Start(c.desc, func(ev netpoll.Event) {
		if ev&(netpoll.EventReadHup|netpoll.EventHup) != 0 {
			r.remove(c)
			return
		}
		r.pool <- c.receive
	})
}

// receive reads what came: the desc is one-shot until it is resumed.
func (c *client) receive() {
	h, err := ws.ReadHeader(c.conn)
	if err != nil || h.Length > maxMessage || !h.Fin || h.OpCode == ws.OpClose {
		c.room.remove(c)
		return
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(c.conn, payload); err != nil {
		c.room.remove(c)
		return
	}
	ws.Cipher(payload, h.Mask, 0)
	if h.OpCode.IsData() {
		c.room.broadcast(ws.MustCompileFrame(ws.NewFrame(h.OpCode, true, payload)))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone {
		c.room.poller.Resume(c.desc)
	}
}

func (r *room) broadcast(frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.members {
		if !c.enqueue(frame) {
			go r.remove(c)
		}
	}
}

// enqueue reports whether there was room.
func (c *client) enqueue(frame []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == queue {
		return false
	}
	c.waiting = append(c.waiting, frame)
	if !c.writing {
		c.writing = true
		select {
		case c.room.pool <- c.write:
		default: // the broadcasting task must not wait for its own pool
			go c.write()
		}
	}
	return true
}

func (c *client) write() {
	for {
		c.mu.Lock()
		if len(c.waiting) == 0 {
			c.writing = false
			c.mu.Unlock()
			return
		}
		frame := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.mu.Unlock()
		if _, err := c.conn.Write(frame); err != nil {
			c.room.remove(c)
			return
		}
	}
}

func (r *room) remove(c *client) {
	r.mu.Lock()
	_, ok := r.members[c]
	delete(r.members, c)
	r.mu.Unlock()
	if ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.gone = true
		r.poller.Stop(c.desc)
		c.desc.Close()
		c.conn.Close()
	}
}

func main() {
	poller, err := netpoll.New(nil)
	if err != nil {
		listen.Fail(err)
	}
	r := &room{pool: newPool(), poller: poller, members: make(map[*client]struct{})}
	ln := listen.On()
	for {
		conn, err := ln.Accept()
		if err != nil {
			listen.Fail(err)
		}
		r.pool <- func() { r.accept(conn) }
	}
}
