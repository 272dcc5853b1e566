package soak

import (
	"math/rand/v2"
	"slices"

	"github.com/gobwas/ws"

	"chatd/bench/load"
	"chatd/poller"
)

// publisher is a client's sending. It belongs to the crowd's worker.
type publisher struct {
	id          uint32
	client      *client
	rand        *rand.Rand
	least, most int    // bytes of a message
	window      int    // messages that may be under way; 0: owed says what to send
	owed        int    // messages whose time has come
	sent, back  uint64 // messages that were sent, and that came back
	stopped     bool
}

// mostPending is how many bytes may wait for the socket.
const mostPending = 4 * mostMessage

// publish makes c a publisher, of messages as those of p.
func (c *client) publish(p *Phase, seed uint64) *publisher {
	c.publisher = &publisher{
		id: c.crowd.publisher(c.room), client: c, rand: rand.New(rand.NewPCG(seed, 0)),
		least: p.Least, most: p.Most, window: p.Window,
	}
	c.crowd.publishers = append(c.crowd.publishers, c.publisher)
	return c.publisher
}

// retire is called when its client is gone.
func (p *publisher) retire() {
	c := p.client.crowd
	p.client.room.ledger.retire(p.id)
	if i := slices.Index(c.publishers, p); i >= 0 {
		c.publishers = slices.Delete(c.publishers, i, i+1)
	}
}

// finished reports whether everything was sent and has come back.
func (p *publisher) finished() bool { return p.stopped && p.back == p.sent }

// fill sends what it may.
func (p *publisher) fill(w poller.Sender) {
	c := p.client
	for c.stage == open && !p.stopped && c.out.Len() < mostPending && c.crowd.allows(c.room) {
		if p.window > 0 {
			if p.sent-p.back >= uint64(p.window) {
				break
			}
		} else if p.owed > 0 {
			p.owed--
		} else {
			break
		}
		p.one()
	}
	c.flush(w)
}

// one puts a message into its client's out, now and then in fragments (RFC 6455
// §5.4), compressed when that was agreed on.
func (p *publisher) one() {
	m := message{id: identity{publisher: p.id}, size: p.least, op: ws.OpText, sent: load.Now()}
	if p.most > p.least {
		m.size += p.rand.IntN(p.most - p.least)
	}
	if p.rand.IntN(2) == 0 {
		m.op = ws.OpBinary
	}
	c := p.client
	c.room.ledger.send(&m)
	p.sent++
	f := ws.NewFrame(m.op, true, m.encode(nil))
	if c.deflates && p.rand.IntN(4) != 0 {
		f.Payload, f.Header.Rsv = c.crowd.deflater.deflate(f.Payload), ws.Rsv(true, false, false)
	}
	for p.rand.IntN(8) == 0 && len(f.Payload) > 0 {
		cut := p.rand.IntN(len(f.Payload))
		part := f
		part.Header.Fin, part.Payload = false, f.Payload[:cut]
		part.Header.Length = int64(cut)
		c.send(part)
		f.Header.OpCode, f.Header.Rsv, f.Payload = ws.OpContinuation, 0, f.Payload[cut:]
	}
	f.Header.Length = int64(len(f.Payload))
	c.send(f)
}
