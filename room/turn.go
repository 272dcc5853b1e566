package room

import (
	"slices"

	"chatd/poller"
)

// turn is what the frames that a session works on at a time come to. It belongs to
// the session.
type turn struct {
	c    *client
	w    *poller.Worker
	post *post
	hub  *hub   // to which post goes; nil: there is none, and nothing in post
	pong []byte // the answer to the last ping
	told []byte // what else the client is told by itself, as frames
	halt bool   // what follows has to wait for an answer
}

func (c *client) newTurn(w *poller.Worker) turn {
	h := c.speaksIn()
	return turn{c: c, w: w, hub: h, post: newPost(h != nil && h.has(hubDeflating))}
}

// speakIn has what is said from now on go to the room h.
func (t *turn) speakIn(h *hub) {
	if t.hub == h {
		return
	}
	p := newPost(h.has(hubDeflating))
	p.inflated, t.post.inflated = t.post.inflated, p.inflated // the message that is being looked at
	t.publish()
	t.hub, t.post = h, p
}

// flush hands over all that there is, so that what comes next comes behind it.
func (t *turn) flush() {
	h := t.hub
	t.publish()
	t.hub, t.post = h, newPost(h != nil && h.has(hubDeflating))
	if t.told != nil {
		t.c.tell(t.w, t.told)
		t.told = nil
	}
}

// publish hands over what was said.
func (t *turn) publish() {
	if t.post.count > 0 {
		t.hub.publish(t.w, t.post)
	} else {
		t.post.free()
	}
}

// end hands over all that there is. If that is the client's last post it leaves.
func (t *turn) end() {
	if last := t.post.last; last != nil {
		if len(t.told)+len(t.pong) > 0 {
			last.bytes = slices.Concat(t.told, t.pong, last.bytes)
		}
		t.c.leave(t.w, t.hub, t.post)
		return
	}
	t.publish()
	if t.told != nil {
		t.c.tell(t.w, t.told)
	}
	if t.pong != nil {
		t.c.send(t.w, &mail{bytes: t.pong})
	}
}
