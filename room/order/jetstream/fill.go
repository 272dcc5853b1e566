package jetstream

import (
	"context"
	"math"

	"chatd/room/order"
)

// fill has what m has missed read, up to a number at least.
func (d *dispatcher) fill(m *member, until uint64) {
	m.state = filling
	r, round, from := m.partition.reader, m.round.Add(1), m.last
	told, suspicion := m.told, m.doubt()
	tries := 0
	j := &job{m: m, round: round}
	j.read = func(ctx context.Context) error {
		found, last, err := r.p.after(ctx, m.token, max(1, from.Seq), everything)
		if err != nil {
			return err
		}
		if told && len(found) > 0 && found[0].Seq == from.Seq && found[0].At != from.At {
			r.p.suspect(suspicion)
			return errReplaced
		}
		// A replica may not have all yet. Only the leader knows that something is gone.
		if last < until {
			if tries++; tries < fillTries {
				return errBehind
			}
			if has, err := r.p.stored(ctx, map[string]any{"seq": until}); err != nil || has.seq > 0 {
				return errBehind
			}
		}
		lost := false
		if told && len(found) > 0 && found[0].Seq == from.Seq {
			found = found[1:]
		} else {
			k, err := r.p.keeps(ctx)
			if err != nil {
				return err
			}
			lost = k.lost(from.Seq, len(found))
			if told && !lost && k.first <= from.Seq {
				r.p.suspect(suspicion) // what was told is gone, and not because it was old
			}
		}
		d.mail.put(func() { d.filled(m, round, found, lost, last, until) })
		return nil
	}
	r.add(j)
}

// everything is so many messages that none is left out.
const everything = math.MaxInt / 2

// fillTries is how often a replica is asked before the leader is.
const fillTries = 6

// failure is why something has to be read again.
type failure string

func (f failure) Error() string { return string(f) }

const (
	errReplaced failure = "the stream has another message there"
	errBehind   failure = "the stream does not have it yet"
)

// filled tells the room what it has missed: found, up to last, and, if some were lost,
// that.
func (d *dispatcher) filled(m *member, round int64, found []entry, lost bool, last, until uint64) {
	if m.round.Load() != round || m.state != filling {
		return
	}
	if lost && len(found) > 0 && found[0].Seq-1 > m.last.Seq {
		d.miss(m, found[0].Seq-1)
	}
	d.s.stats.filled.Add(uint64(len(found)))
	for _, e := range found {
		d.place(m, e)
	}
	switch {
	case until > max(last, m.last.Seq): // nobody has it any more
		d.miss(m, until)
	case last > m.last.Seq: // nobody can read it
		m.last, m.told = order.Point{Seq: last}, false
	}
	d.goOn(m)
}

// miss tells the room that messages are lost for good. Of its own, some may be.
func (d *dispatcher) miss(m *member, upTo uint64) {
	m.last, m.told = order.Point{Seq: upTo}, false
	m.room.Miss(m.last)
	d.s.publisher.lost(m.name, upTo)
}
