package jetstream

import (
	"context"
	"slices"
	"time"
)

// compare asks for the last messages of the rooms that this node has: a last copy that
// was lost betrays itself by nothing. Of rooms that were compared before, only those
// count in which something was said since then. The stream's first and last numbers are
// given. With all, NATS was away.
func (p *partition) compare(ctx context.Context, first, last uint64, all bool) {
	if all {
		if p.compared > 0 && first > p.compared+1 {
			p.missed(first - 1)
		}
		p.marked = 0
	}
	known, fresh, ok := p.tokens(ctx)
	if !ok {
		return
	}
	mark := last // up to it everything was compared
	if p.marked == 0 {
		fresh = append(fresh, known...)
	} else if last > p.marked {
		for part := range slices.Chunk(known, multiLastMost) {
			upTo, err := p.askLast(ctx, part, p.marked+1, all)
			if err != nil {
				return
			}
			if upTo == 0 {
				upTo = p.marked // nothing was said in them, as far as who answered knows
			}
			mark = min(mark, upTo)
		}
	}
	var checked []string
	for part := range slices.Chunk(fresh, multiLastMost) {
		upTo, err := p.askLast(ctx, part, 0, all)
		if err != nil {
			return
		}
		if upTo > 0 {
			mark = min(mark, upTo)
			checked = append(checked, part...)
		}
	}
	p.marked = mark
	p.compared = max(p.compared, mark)
	p.dispatcher.mail.put(func() {
		for _, token := range checked {
			if m := p.dispatcher.rooms[p.number][token]; m != nil && m.state != opening {
				m.checked = true
			}
		}
	})
}

// missed tells rooms that messages up to a number may be lost that were dropped by the
// stream while NATS was away: nothing else says whether there were any.
func (p *partition) missed(upTo uint64) {
	d := p.dispatcher
	d.mail.put(func() {
		d.drain()
		for _, m := range d.rooms[p.number] {
			if m.room != nil && m.state == live && m.last.Seq < upTo {
				d.miss(m, upTo)
			}
		}
	})
}

// tokens are the rooms to compare: those that were, and those that were not.
func (p *partition) tokens(ctx context.Context) (known, fresh []string, ok bool) {
	type rooms struct{ known, fresh []string }
	answer := make(chan rooms, 1) // nobody may wait for it any more
	p.dispatcher.mail.put(func() {
		var r rooms
		for token, m := range p.dispatcher.rooms[p.number] {
			switch {
			case m.room == nil || m.state == opening:
			case m.checked:
				r.known = append(r.known, token)
			default:
				r.fresh = append(r.fresh, token)
			}
		}
		answer <- r
	})
	select {
	case r := <-answer:
		return r.known, r.fresh, true
	case <-ctx.Done():
		return nil, nil, false
	}
}

// askLast has the last messages of rooms, from a number on, compared with what they were
// told; with soon, without waiting for copies that may be on their way. It returns up to
// which number the answer goes; 0: there are no messages.
func (p *partition) askLast(ctx context.Context, tokens []string, from uint64, soon bool) (upTo uint64, err error) {
	q := question{Seq: from, MultiLast: make([]string, len(tokens))}
	for i, token := range tokens {
		q.MultiLast[i] = subject(publishedIn, p.number, token)
	}
	p.s.stats.tails.Add(1)
	tops := make(map[string]entry)
	a, err := p.direct(ctx, q, func(token string, e entry) { tops[token] = e })
	if err != nil {
		return 0, err
	}
	upTo = a.upTo
	if a.pending > 0 { // the answer was too long
		upTo = a.last
	}
	p.dispatcher.mail.put(func() {
		if p.behind(tops) {
			p.s.running.Go(func() { p.catchUp(tops, soon) })
		}
	})
	return upTo, nil
}

// behind reports whether a room has not been told its last message, and drops all others
// from tops.
func (p *partition) behind(tops map[string]entry) bool {
	for token, top := range tops {
		m := p.dispatcher.rooms[p.number][token]
		if m == nil || m.room == nil || m.state != live || m.last.Seq >= top.Seq {
			delete(tops, token)
		}
		if m != nil && m.state == live && m.last.Seq == top.Seq && m.told && m.last.At != top.At {
			p.suspect(m.doubt())
		}
	}
	return len(tops) > 0
}

// lateCopy is how long a copy may be on its way between servers.
const lateCopy = 250 * time.Millisecond

// catchUp has rooms filled whose last copies don't come by themselves.
func (p *partition) catchUp(tops map[string]entry, soon bool) {
	if !soon {
		select {
		case <-time.After(lateCopy):
		case <-p.s.ctx.Done():
			return
		}
	}
	// What the server has sent by then has come.
	if p.s.flush() != nil {
		return // all is compared again when it is connected
	}
	d := p.dispatcher
	d.mail.put(func() {
		d.drain()
		if p.behind(tops) {
			for token, top := range tops {
				d.fill(d.rooms[p.number][token], top.Seq)
			}
		}
	})
}
