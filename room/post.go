package room

import (
	"sync"

	"github.com/gobwas/ws"

	"chatd/poller"
	"chatd/room/deflate"
	"chatd/room/frame"
	"chatd/room/framelog"
)

// post is what one run of a session publishes: encoded frames, in order, and
// then perhaps that its client leaves. It belongs to the session, then to the
// hub.
type post struct {
	link   *post
	frames encodings
	count  int     // of frames that the log has not
	says   []said  // what is known of each message; empty for those of a raw client
	by     *client // whose session it is; nil: somebody outside
	sayer  *client // who said them; nil: a raw client, or somebody outside
	asker  *client // who asks who is in the room; or nil
	errand *errand // from outside; or nil
	leave  *change // out of the room, of a client that stays connected; or nil
	leaver *client // who leaves all its rooms; or nil
	last   *mail   // for the leaver

	deflating bool   // somebody reads compressed frames
	inflated  []byte // memory for a message that came compressed
	packed    []byte // memory for one that is compressed
}

// encodings are the two forms of the same frames: for members with
// permessage-deflate and for the others. A compressed form that is empty is the
// same as the plain one.
type encodings struct {
	plain, compressed           []byte
	plainTaken, compressedTaken int // bytes that the log has
}

// Link implements the inbox's element.
func (p *post) Link() **post { return &p.link }

var posts = sync.Pool{New: func() any { return new(post) }}

func newPost(deflating bool) *post {
	p := posts.Get().(*post)
	p.deflating = deflating
	return p
}

// maxPosted is the largest memory in bytes that a post keeps in the pool.
const maxPosted = 2 * poller.ScratchSize

func (p *post) free() {
	clear(p.says)
	*p = post{
		frames:   encodings{plain: reusable(p.frames.plain), compressed: reusable(p.frames.compressed)},
		says:     p.says[:0],
		inflated: reusable(p.inflated),
		packed:   reusable(p.packed),
	}
	posts.Put(p)
}

// reusable is b's memory for the next time, unless it is a giant's, which must not
// live on.
func reusable(b []byte) []byte {
	if cap(b) > maxPosted {
		return nil
	}
	return b[:0]
}

// say appends a text that c says, of which s tells.
func (p *post) say(t *counters, c *client, s said, text []byte) {
	p.sayer = c
	p.says = append(p.says, s)
	p.add(t, ws.OpText, text)
}

// add appends a message. If somebody reads compressed frames it is compressed
// here, once for all of them, by the worker that read it: the hub is one for
// all.
func (p *post) add(t *counters, op ws.OpCode, payload []byte) {
	f := &p.frames
	at := len(f.plain)
	f.plain = frame.AppendMessage(f.plain, op, payload)
	p.count++
	if p.deflating && len(payload) >= deflate.MinSize {
		var shorter bool
		if p.packed, shorter = deflate.Append(p.packed[:0], payload); shorter {
			if len(f.compressed) == 0 {
				f.compressed = append(f.compressed, f.plain[:at]...)
			}
			f.compressed = frame.AppendCompressed(f.compressed, op, p.packed)
			t.deflated.Add(1)
			t.deflateIn.Add(uint64(len(payload)))
			t.deflateOut.Add(uint64(len(p.packed)))
			return
		}
	}
	if len(f.compressed) > 0 {
		f.compressed = append(f.compressed, f.plain[at:]...)
	}
}

// take is the next n frames, in both forms.
func (p *post) take(n int) (plain, compressed []byte) {
	f := &p.frames
	plain = next(f.plain, &f.plainTaken, n, n == p.count)
	compressed = plain
	if len(f.compressed) > 0 {
		compressed = next(f.compressed, &f.compressedTaken, n, n == p.count)
	}
	p.count -= n
	return plain, compressed
}

// next is the n frames, or all, of which taken bytes are gone.
func next(frames []byte, taken *int, n int, all bool) []byte {
	frames = frames[*taken:]
	if !all {
		frames = framelog.First(frames, n)
	}
	*taken += len(frames)
	return frames
}
