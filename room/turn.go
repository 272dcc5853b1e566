package room

import (
	"slices"

	"chatd/poller"
)

// turn is what the frames that a session works on at a time come to. It belongs to
// the session.
type turn struct {
	c *client
	w *poller.Worker
	addressed
	others []addressed // what was said in other rooms before
	pong   []byte      // the answer to the last ping
	told   []byte      // what else the client is told by itself, as frames
	halt   bool        // what follows has to wait for an answer
}

// addressed is a post, and the room that it is for; nil: there is none, and nothing
// in the post.
type addressed struct {
	post *post
	hub  *hub
}

func (c *client) address(h *hub) addressed {
	p := newPost(h != nil && h.has(hubDeflating))
	p.by = c
	return addressed{p, h}
}

func (a addressed) publish(w *poller.Worker) {
	if a.post.count > 0 {
		a.hub.publish(w, a.post)
	} else {
		a.post.free()
	}
}

func (c *client) newTurn(w *poller.Worker) turn {
	return turn{c: c, w: w, addressed: c.address(c.speaksIn())}
}

// speakIn has what is said from now on go to the room h.
func (t *turn) speakIn(h *hub) {
	if t.hub == h {
		return
	}
	before := t.addressed
	if i := slices.IndexFunc(t.others, func(a addressed) bool { return a.hub == h }); i >= 0 {
		t.addressed, t.others[i] = t.others[i], before
	} else {
		t.addressed, t.others = t.c.address(h), append(t.others, before)
	}
	// The message that is being looked at may be there.
	t.post.inflated, before.post.inflated = before.post.inflated, t.post.inflated
}

// flush hands over all that there is, so that what comes next comes behind it.
func (t *turn) flush() {
	t.publishOthers()
	t.publish(t.w)
	t.addressed = t.c.address(t.hub)
	if t.told != nil {
		t.c.tell(t.w, t.told)
		t.told = nil
	}
}

func (t *turn) publishOthers() {
	for _, a := range t.others {
		a.publish(t.w)
	}
	t.others = nil
}

// end hands over all that there is. If that is the client's last post it leaves.
func (t *turn) end() {
	t.publishOthers()
	if last := t.post.last; last != nil {
		if len(t.told)+len(t.pong) > 0 {
			last.bytes = slices.Concat(t.told, t.pong, last.bytes)
		}
		t.c.leave(t.w, t.hub, t.post)
		return
	}
	t.publish(t.w)
	if t.told != nil {
		t.c.tell(t.w, t.told)
	}
	if t.pong != nil {
		t.c.send(t.w, &mail{bytes: t.pong})
	}
}
