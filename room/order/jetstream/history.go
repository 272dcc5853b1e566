package jetstream

import (
	"context"
	"math"

	"chatd/room/order"
)

// history has m's history read from the stream.
func (r *reader) history(m *member, round int64, l life) {
	j := &job{m: m, round: round, life: l, cold: true}
	j.read = func(ctx context.Context) error {
		// A replica may not have all yet, and one who comes back with a later position
		// would be told that it is of the future. So the leader is asked first.
		var top leaders
		if r.p.replicated.Load() {
			var err error
			if top, err = r.p.stored(ctx, map[string]any{"last_by_subj": subject(publishedIn, r.p.number, m.token)}); err != nil {
				return err
			}
		}
		n := r.p.s.config.perRoom()
		kept, last, err := r.p.after(ctx, m.token, 1, n)
		if err != nil {
			return err
		}
		if last < top.seq {
			return errBehind
		}
		k, err := r.p.keeps(ctx)
		if err != nil {
			return err
		}
		behind, kept := k.behind(kept, n)
		r.p.s.stats.read.Add(1)
		d := r.p.dispatcher
		d.mail.put(func() { d.began(m, round, l, behind, kept) })
		return nil
	}
	r.add(j)
}

// after is what the stream has of a room from a number on, or at least the last n, and one
// more if there are more; and the number of the last one.
func (p *partition) after(ctx context.Context, token string, seq uint64, n int) (kept []entry, last uint64, err error) {
	subj := subject(publishedIn, p.number, token)
	for {
		a, err := p.direct(ctx, question{Seq: seq, Next: subj, Batch: p.s.config.perRoom() + 1}, func(_ string, e entry) {
			kept = appendLast(kept, e, n)
		})
		last = max(last, a.last)
		if err != nil || a.pending == 0 || a.last < seq {
			return kept, last, err
		}
		seq = a.last + 1
	}
}

// appendLast appends e; at least n of those before are kept.
func appendLast(kept []entry, e entry, n int) []entry {
	if len(kept) > 2*n {
		kept = append(kept[:0:0], kept[len(kept)-n:]...)
	}
	return append(kept, e)
}

// keeps is what the stream keeps at present.
type keeps struct {
	first, last uint64 // numbers that it has
	perRoom     int    // messages of a room, at most
	replicas    int
}

func (p *partition) keeps(ctx context.Context) (keeps, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	stream, err := p.s.js.Stream(ctx, streamName(p.number))
	if err != nil {
		return keeps{}, err
	}
	info := stream.CachedInfo()
	k := keeps{first: info.State.FirstSeq, last: info.State.LastSeq, perRoom: int(info.Config.MaxMsgsPerSubject), replicas: info.Config.Replicas}
	if k.perRoom <= 0 { // any number
		k.perRoom = math.MaxInt
	}
	return k, nil
}

// behind is the place behind which all of a room's messages are kept, and these, of
// which only the last n are wanted. A stream drops a room's oldest when there are too
// many of it, and its own oldest when they are too old.
func (k keeps) behind(kept []entry, n int) (order.Point, []entry) {
	if more := len(kept) - n; more > 0 {
		return kept[more-1].point(), kept[more:]
	}
	switch {
	case len(kept) > 0 && (len(kept) >= k.perRoom || kept[0].Seq < k.first):
		return order.Point{Seq: kept[0].Seq - 1}, kept
	case k.first > 0:
		return order.Point{Seq: k.first - 1}, kept
	}
	return order.Point{}, kept
}

// lost reports whether the stream may have dropped messages of a room behind seq, of
// which it still has so many.
func (k keeps) lost(seq uint64, has int) bool { return has >= k.perRoom || k.first > seq+1 }
