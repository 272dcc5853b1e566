package room

import (
	"math"

	"chatd/room/carry"
)

// author is who says something: an id, and the name at that time. It is never
// changed, so any owner may keep it; whoever takes another name is another author
// with the same id.
//
// Both are in one string, as very many are idle.
type author struct {
	both string
	cut  uint8 // where the name begins
}

// newAuthor has an id of at most 255 bytes.
func newAuthor(id, name string) author { return author{id + name, uint8(len(id))} }

func (a *author) id() string   { return a.both[:a.cut] }
func (a *author) name() string { return a.both[a.cut:] }

// size is its memory in bytes, about.
func (a *author) size() int { return 24 + len(a.both) }

func (a *author) carry(w *carry.Writer) {
	w.String(a.id())
	w.String(a.name())
}

func restoreAuthor(r *carry.Reader) author {
	id, name := r.String(), r.String()
	if len(id) > math.MaxUint8 {
		r.Fail("an id of %d bytes", len(id))
		return author{}
	}
	return newAuthor(id, name)
}

// cast is the authors of what is carried, by the order in which they come up. Each is
// carried once, so that those who were one are one again.
type cast struct {
	places map[*author]uint64 // carry: from castFirst on
	all    []*author          // restore
}

// The places of those who are no authors.
const (
	castNone    = iota // nil
	castMissing        // missing
	castFirst
)

func (x *cast) carry(w *carry.Writer, a *author) {
	if x.places == nil {
		x.places = map[*author]uint64{nil: castNone, missing: castMissing}
	}
	place, known := x.places[a]
	if !known {
		place = uint64(len(x.places))
		x.places[a] = place
	}
	if w.Uint(place); !known {
		a.carry(w)
	}
}

func (x *cast) restore(r *carry.Reader) *author {
	if x.all == nil {
		x.all = []*author{castNone: nil, castMissing: missing}
	}
	place := r.UpTo(uint64(len(x.all)))
	if place == uint64(len(x.all)) {
		a := restoreAuthor(r)
		x.all = append(x.all, &a)
	}
	return x.all[place]
}
