package room

import (
	"hash/maphash"
	"math"
	"slices"

	"chatd/poller"
	"chatd/room/carry"
	"chatd/room/chat"
)

// history is what is known of the messages that are kept: those behind floor, up
// to the head of the room's log. It belongs to the hub's Task.
type history struct {
	floor   uint64  // the number of the last message that is not kept
	before  int64   // the time of that or the one of the entry that was let go last; -1: not known
	entries []entry // of messages; entries[:gone] were let go
	gone    int
	nonces  map[uint64]uint64 // the messages that have one, by nonceHash
	extra   int               // bytes of authors and nonces, about
	kept    int               // messages, as they were last counted
}

// entry is what adjacent messages have in common: those from first on, up to the next
// entry's. A message with an author is one by itself.
type entry struct {
	first  uint64
	at     int64 // ms since 1970
	author *author
	nonce  string
}

// said is what a post knows of a message besides its frame.
type said struct {
	author *author
	nonce  string
}

// The memory of an entry, and of an entry in nonces, in bytes.
const (
	entrySize = 40
	nonceSize = 32
)

var nonceSeed = maphash.MakeSeed()

// nonceHash is that of an author's nonce.
func nonceHash(id, nonce string) uint64 {
	var h maphash.Hash
	h.SetSeed(nonceSeed)
	_, _ = h.WriteString(id) // always succeeds, as the others
	_ = h.WriteByte(0)
	_, _ = h.WriteString(nonce)
	return h.Sum64()
}

// carry writes what is known. A nonce is carried as it is, since each process has its
// own seed for the hashes.
func (y *history) carry(w *carry.Writer) {
	w.Uint(y.floor)
	w.Int(y.before)
	live := y.entries[y.gone:]
	w.Uint(uint64(len(live)))
	var authors cast
	for _, e := range live {
		w.Uint(e.first)
		w.Int(e.at)
		authors.carry(w, e.author)
		w.String(e.nonce)
	}
}

// restore reads what carry has written; y is new, and head that of the log.
func (y *history) restore(r *carry.Reader, head uint64) {
	y.floor = r.UpTo(head)
	y.before = r.Int()
	var authors cast
	for i := range r.Count(math.MaxInt) {
		e := entry{first: r.UpTo(head), at: r.Int(), author: authors.restore(r), nonce: r.String()}
		switch {
		case i == 0 && e.first > y.floor+1 || i > 0 && e.first <= y.entries[i-1].first:
			r.Fail("what is known of the message %d is not in its place", e.first)
		case e.nonce != "" && (e.author == nil || e.author == missing):
			r.Fail("the message %d has a nonce and no author", e.first)
		}
		if r.Err() != nil {
			break
		}
		y.note(e, true)
	}
	if (len(y.entries) > 0) != (y.floor < head) {
		r.Fail("%d entries for the messages from %d to %d", len(y.entries), y.floor+1, head)
	}
}

// last is the time of the last message; -1: not known.
func (y *history) last() int64 {
	if n := len(y.entries); n > y.gone {
		return y.entries[n-1].at
	}
	return y.before
}

// note notes what is known of the messages from e's first on. They may be apart from
// those before, though the same is known of both.
func (y *history) note(e entry, apart bool) {
	n := len(y.entries)
	if e.author == nil && !apart && n > y.gone && y.entries[n-1].author == nil && y.entries[n-1].at == e.at {
		return // the entry goes on
	}
	if e.author != nil && (n == y.gone || y.entries[n-1].author != e.author) {
		y.extra += e.author.size()
	}
	y.entries = append(y.entries, e)
	if e.nonce != "" {
		if y.nonces == nil {
			y.nonces = make(map[uint64]uint64)
		}
		y.nonces[nonceHash(e.author.id(), e.nonce)] = e.first
		y.extra += nonceSize + len(e.nonce)
	}
}

// find is the message that the same author said with the same nonce, if it is kept.
func (y *history) find(s said) (seq uint64, ok bool) {
	seq, ok = y.nonces[nonceHash(s.author.id(), s.nonce)]
	if !ok {
		return 0, false
	}
	r := y.entry(seq)
	return seq, r.nonce == s.nonce && r.author.id() == s.author.id()
}

// entry is the one of the message seq, which is kept.
func (y *history) entry(seq uint64) *entry { return &y.entries[y.gone+y.index(seq)] }

// index is where that is among those that were not let go.
func (y *history) index(seq uint64) int {
	live := y.entries[y.gone:]
	i, found := slices.BinarySearchFunc(live, seq, func(r entry, seq uint64) int { return int(int64(r.first - seq)) })
	if !found {
		i--
	}
	return i
}

// time is that of the message seq, which is kept or the last one that is not; -1:
// it is not known.
func (y *history) time(seq uint64) int64 {
	if y.gone == len(y.entries) || seq < y.entries[y.gone].first {
		return y.before
	}
	return y.entry(seq).at
}

// end is the last message of the first entry, if head is that of the log.
func (y *history) end(head uint64) uint64 {
	if y.gone+1 < len(y.entries) {
		return y.entries[y.gone+1].first - 1
	}
	return head
}

// forget lets go of the entries up to the message floor.
func (y *history) forget(floor, head uint64) {
	y.floor = floor
	for y.gone < len(y.entries) && y.end(head) <= floor {
		y.drop()
	}
	if 2*y.gone > len(y.entries) {
		y.entries = slices.Delete(y.entries, 0, y.gone)
		y.gone = 0
		if len(y.entries) < cap(y.entries)/4 {
			y.entries = slices.Clip(slices.Clone(y.entries))
		}
	}
}

// drop lets go of the first entry.
func (y *history) drop() {
	r := &y.entries[y.gone]
	y.before = r.at
	if r.nonce != "" {
		hash := nonceHash(r.author.id(), r.nonce)
		if y.nonces[hash] == r.first {
			delete(y.nonces, hash)
		}
		y.extra -= nonceSize + len(r.nonce)
	}
	author := r.author
	*r = entry{}
	y.gone++
	if author != nil && (y.gone == len(y.entries) || y.entries[y.gone].author != author) {
		y.extra -= author.size()
	}
	if len(y.nonces) == 0 {
		y.nonces = nil // a map does not shrink
	}
}

// size is the memory in bytes, about.
func (y *history) size() int { return cap(y.entries)*entrySize + y.extra }

// message is what is known of the entry's message that has the number seq.
func (r *entry) message(seq uint64) chat.Message {
	m := chat.Message{Seq: seq, At: r.at, Nonce: r.nonce}
	if r.author != nil {
		m.ID, m.Name = r.author.id(), r.author.name()
	}
	return m
}

// The hub's part: what bounds the history.

// keeps reports whether the room has history. Anybody may call it.
func (h *hub) keeps() bool { return h.flags.Load()&hubKeeps != 0 }

// floor is the number of the last message that is not kept.
func (h *hub) floor() uint64 {
	if a := h.archive; a != nil {
		return a.floor
	}
	return h.log.Head().Seq
}

// bound lets go of what is beyond the bounds on number and age, by the clock now.
func (h *hub) bound(w *poller.Worker, now int64) {
	a := h.archive
	head := h.log.Head().Seq
	floor := a.floor
	if n := uint64(h.server.config.History); head-floor > n {
		floor = head - n
	}
	if age := h.server.config.HistoryAge.Milliseconds(); age > 0 {
		for i := a.gone; i < len(a.entries) && now-a.entries[i].at > age; i++ {
			if i+1 < len(a.entries) {
				floor = max(floor, a.entries[i+1].first-1)
			} else {
				floor = head
			}
		}
	}
	h.forget(w, floor)
}

// forget lets go of the messages up to floor.
func (h *hub) forget(w *poller.Worker, floor uint64) {
	a := h.archive
	head := h.log.Head().Seq
	a.history.forget(floor, head)
	if h.order != nil {
		h.order.numbers.forget(floor)
	}
	for _, t := range a.tracks {
		if t != nil {
			t.forget(floor)
		}
	}
	switch keeps := h.keeps(); {
	case floor < head && !keeps:
		h.flags.Or(hubKeeps)
		h.signal(w, hubSpoken) // again, perhaps, in this second
	case floor == head && keeps:
		h.flags.And(^hubKeeps)
		h.signal(w, hubForgot)
		h.vacate(w)
	}
	h.account(w)
}

// release lets go of so many bytes, the oldest messages first.
func (h *hub) release(w *poller.Worker, bytes int64) {
	a := h.archive
	for least := a.size.Load() - bytes; h.keeps() && a.size.Load() > least; {
		floor := h.log.Head().Seq
		if marks := a.tracks[rawStream].marks; len(marks) > 1 {
			floor = marks[1].Seq
		}
		h.forget(w, max(floor, a.floor))
	}
}

// account counts what is kept. What a room in which nothing is kept has is that of
// its readers.
func (h *hub) account(w *poller.Worker) {
	a := h.archive
	size, kept := 0, int(h.log.Head().Seq-a.floor)
	if kept > 0 {
		size = archiveSize + a.history.size()
		if h.order != nil {
			size += h.order.numbers.size()
		}
		for _, t := range a.tracks {
			if t != nil {
				size += t.size()
			}
		}
	}
	t := h.server.counters.of(w)
	if more := int64(size) - a.size.Load(); more != 0 {
		a.size.Store(int64(size))
		t.keptBytes.Add(more)
	}
	if more := kept - a.kept; more != 0 {
		a.kept = kept
		t.keptMessages.Add(int64(more))
	}
}
