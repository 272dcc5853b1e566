package room

import (
	"bytes"

	"chatd/room/framelog"
)

// The rooms' part.

// carry writes the rooms: their names first, so that what follows may name them by number.
func (d *directory) carry(w *carrier) {
	w.Uint(uint64(d.second))
	w.Uint(uint64(d.rooms.Len()))
	d.rooms.Scan(func(name string, h *hub) bool {
		w.hubs[h] = len(w.hubs) + 1
		w.String(name)
		return true
	})
	for _, sh := range d.server.shards.all() { // how far back logs are read
		for _, o := range sh.lagging {
			for i := range o.readers {
				w.hold(o.readers[i].roster, o.readers[i].at)
			}
		}
	}
	d.rooms.Scan(func(_ string, h *hub) bool {
		h.carry(w)
		return true
	})
}

func (d *directory) restore(r *restorer) {
	d.second = uint32(r.UpTo(uint64(d.server.now.Load() / ticksPerSecond)))
	for range r.Count(maxCarried) {
		name := r.String()
		if _, twice := d.rooms.Get(name); twice {
			r.Fail("the room %q is there twice", name)
			return
		}
		h := newHub(d.server, name)
		d.rooms.Set(name, h)
		r.hubs = append(r.hubs, h)
	}
	d.size.Store(int64(d.rooms.Len()))
	for _, h := range r.hubs[1:] {
		if h.restore(r); r.Err() != nil {
			return
		}
	}
	d.silence.restore(r.hubs[1:])
}

// carriedFlags are the flags of a hub that say what is, or what its Task has yet to do and
// nobody would ask for again.
const carriedFlags = hubEmptied | hubCounted | hubUntold | hubHeard | hubDeflating | hubKeeps

func (h *hub) carry(w *carrier) {
	w.Uint(uint64(h.epoch.Load()))
	w.Uint(uint64(h.flags.Load() & carriedFlags))
	w.Uint(uint64(h.second))
	w.Uint(h.messages.Load())
	meter := h.meter.Load()
	if w.Bool(meter != nil); meter != nil {
		meter.carry(w.Writer)
	}
	var oldest [streams]framelog.Cursor
	for x := range streams {
		oldest[x] = w.held[logOf{h, x}]
	}
	if w.Bool(h.archive != nil); h.archive != nil {
		h.archive.carry(w.Writer, &oldest)
		for x := chatStream; x < streams; x++ {
			w.Bytes(h.noticeTo(x))
		}
	} else if from := oldest[rawStream]; from != (framelog.Cursor{}) {
		h.log.Carry(w.Writer, from)
	} else {
		h.log.Carry(w.Writer, h.log.Head())
	}
	if w.Bool(h.order != nil); h.order != nil {
		h.order.carry(w)
	}
}

func (h *hub) restore(r *restorer) {
	h.epoch.Store(r.Uint32())
	h.flags.Or(r.Uint32() & carriedFlags)
	h.second = r.Uint32()
	h.messages.Store(r.Uint())
	if r.Bool() {
		meter := new(rateMeter)
		meter.restore(r.Reader)
		h.meter.Store(meter)
	}
	if r.Bool() {
		for x, begin := range restoreArchive(r.Reader, h) {
			r.begin[logOf{h, stream(x)}] = begin
		}
		for x := chatStream; x < streams; x++ {
			if frame := r.Bytes(); len(frame) > 0 {
				r.notices[logOf{h, x}] = &notice{bytes.Clone(frame)}
			}
		}
	} else {
		r.begin[logOf{h, rawStream}] = h.log.Restore(r.Reader, false)
	}
	if h.archive == nil && h.has(hubKeeps|hubHeard) {
		r.Fail("the room %q keeps something, or tells members of it, and has no archive", h.name)
		return
	}
	switch ordered := r.Bool(); {
	case ordered != (h.order != nil):
		r.Fail("rooms outlive the process, or are shared, in one of both programs alone: -data, -nats")
	case ordered:
		h.order.restore(r)
		h.account(nil)
	}
}

// noticeTo is the newest notice that readers of x have; nil: none.
func (h *hub) noticeTo(x stream) []byte {
	for r := h.rosters; r != nil; r = r.sibling {
		if r.stream.plain() != x || r.notices == nil { // compressed readers have the same
			continue
		}
		if n := r.notices.newest.Load(); n != nil {
			return n.frame
		}
	}
	return nil
}
