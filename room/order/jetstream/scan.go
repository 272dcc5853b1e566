package jetstream

import (
	"context"
	"time"
)

// scanBatch is how many messages are asked for at a time.
const scanBatch = 1000

// While many rooms are entered, as after a restart, a scan waits for more of them: so long
// at a time, and so often.
const (
	scanWait  = 100 * time.Millisecond
	scanWaits = 20
)

// scan reads the whole partition once, for all rooms that wait then.
func (r *reader) scan(ctx context.Context) error {
	r.gather(ctx)
	select { // what is read has to be kept until it is told, so it is not very much at a time
	case r.p.s.scans <- struct{}{}:
		defer func() { <-r.p.s.scans }()
	case <-ctx.Done():
		return ctx.Err()
	}
	jobs := r.takeCold()
	err := r.scanFor(ctx, jobs)
	if err != nil {
		r.mu.Lock()
		r.cold = append(jobs, r.cold...)
		r.mu.Unlock()
	}
	return err
}

// gather waits until no more rooms come.
func (r *reader) gather(ctx context.Context) {
	came := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.came
	}
	for range scanWaits {
		before := came()
		select {
		case <-time.After(scanWait):
		case <-ctx.Done():
			return
		}
		if came() == before {
			return
		}
	}
}

func (r *reader) scanFor(ctx context.Context, jobs []*job) error {
	n := r.p.s.config.perRoom()
	kept := make(map[string][]entry, len(jobs))
	for _, j := range jobs {
		kept[j.m.token] = nil
	}
	before, err := r.p.keeps(ctx)
	if err != nil {
		return err
	}
	subj := subject(publishedIn, r.p.number, ">")
	seq := uint64(1)
	for more := true; more; {
		a, err := r.p.direct(ctx, question{Seq: seq, Next: subj, Batch: scanBatch}, func(token string, e entry) {
			if all, wanted := kept[token]; wanted {
				kept[token] = appendLast(all, e, n)
			}
		})
		if err != nil {
			return err
		}
		if more = a.pending > 0 && a.last >= seq; a.last > 0 {
			seq = a.last + 1
		}
	}
	// As in history; but a stream's last message may have been taken out by somebody.
	if before.replicas > 1 && seq <= before.last && before.first <= before.last {
		if has, err := r.p.stored(ctx, map[string]any{"seq": before.last}); err != nil || has.seq > 0 {
			return errBehind
		}
	}
	k, err := r.p.keeps(ctx)
	if err != nil {
		return err
	}
	r.p.s.stats.scans.Add(1)
	d := r.p.dispatcher
	for _, j := range jobs {
		behind, kept := k.behind(kept[j.m.token], n)
		d.mail.put(func() { d.began(j.m, j.round, j.life, behind, kept) })
	}
	return nil
}
