package room

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"chatd/room/carry"
)

// maxBans is how many there are at most: one more, and the first to end ends now. Each
// takes about 50 bytes.
const maxBans = 1 << 16

// bans are who may not come into which room, for a while. They outlive the room.
// Anybody may call the methods. It is no matter of messages, so a lock is good
// enough.
type bans struct {
	some atomic.Bool // there are some: without any nobody needs the lock; written under it

	mu    sync.Mutex
	key   [16]byte          // of the hashes, so that nobody finds two that are the same; zero: there was no ban yet
	until map[banned]uint32 // the tick at which each ends
	order []ban             // as they will end
}

// banned is the hash of a room and an id. Names are as long as their givers like.
type banned uint64

// ban is an entry of the order.
type ban struct {
	who   banned
	until uint32
}

// bannedFrom is the one with the id, in that room.
func (b *bans) bannedFrom(room, id string) banned {
	said := make([]byte, 0, 128)
	said = binary.AppendUvarint(append(said, b.key[:]...), uint64(len(room)))
	sum := sha256.Sum256(append(append(said, room...), id...))
	return banned(binary.BigEndian.Uint64(sum[:]))
}

// carry writes the bans by their hashes, and what those are made with.
func (b *bans) carry(w *carry.Writer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w.Bytes(b.key[:])
	w.Uint(uint64(len(b.order)))
	for _, x := range b.order {
		w.Uint(uint64(x.who))
		w.Uint(uint64(x.until))
	}
}

func (b *bans) restore(r *carry.Reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if key := r.Bytes(); copy(b.key[:], key) != len(b.key) || len(key) != len(b.key) {
		r.Fail("a key of %d bytes", len(key))
	}
	n := r.Count(maxBans)
	b.until, b.order = make(map[banned]uint32, n), make([]ban, 0, n)
	last := uint32(0)
	for range n {
		x := ban{banned(r.Uint()), r.Uint32()}
		if _, twice := b.until[x.who]; twice || x.until < last {
			r.Fail("a ban that is there twice, or ends before the one that is to end first")
			return
		}
		last = x.until
		b.until[x.who] = x.until
		b.order = append(b.order, x)
	}
	b.some.Store(n > 0)
}

// add keeps the id out of the room until a tick, or for longer if it was to be so.
func (b *bans) add(room, id string, now, until uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(now)
	if b.key == [16]byte{} {
		_, _ = rand.Read(b.key[:]) // never fails
	}
	who := b.bannedFrom(room, id)
	if b.until == nil {
		b.until = make(map[banned]uint32)
	}
	if before, has := b.until[who]; has {
		if before >= until {
			return
		}
		at := b.behind(before - 1)
		at += slices.Index(b.order[at:], ban{who, before})
		b.order = slices.Delete(b.order, at, at+1)
	}
	b.until[who] = until
	b.order = slices.Insert(b.order, b.behind(until), ban{who, until}) // the last, but for those that other servers tell of
	for len(b.order) > maxBans {
		b.end()
	}
	b.some.Store(true)
}

// behind is the first place of the order behind those that end at a tick.
func (b *bans) behind(tick uint32) int {
	return sort.Search(len(b.order), func(i int) bool { return b.order[i].until > tick })
}

// has reports whether the id may not come into the room now.
func (b *bans) has(room, id string, now uint32) bool {
	if !b.some.Load() || id == "" {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(now)
	_, has := b.until[b.bannedFrom(room, id)]
	return has
}

// expire lets go of those whose time is over.
func (b *bans) expire(now uint32) {
	for len(b.order) > 0 && b.order[0].until <= now {
		b.end()
	}
	if len(b.order) == 0 {
		b.until, b.order = nil, nil // a map does not shrink
		b.some.Store(false)
	}
}

// end is the first one's.
func (b *bans) end() {
	delete(b.until, b.order[0].who)
	b.order = b.order[1:]
}
