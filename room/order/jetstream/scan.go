package jetstream

import "context"

// scanBatch is how many messages are asked for at a time.
const scanBatch = 1000

// scan reads the whole partition once, for many rooms.
func (r *reader) scan(ctx context.Context, jobs []*job) error {
	n := r.p.s.config.perRoom() + 1
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
		got := false
		pending, _, err := r.p.direct(ctx, question{Seq: seq, Next: subj, Batch: scanBatch}, func(token string, e entry) {
			seq, got = e.Seq+1, true
			if all, wanted := kept[token]; wanted {
				if len(all) >= 2*n { // only the last n count
					all = append(all[:0:0], all[len(all)-n:]...)
				}
				kept[token] = append(all, e)
			}
		})
		if err != nil {
			return err
		}
		more = got && pending > 0
	}
	// As in history; but a stream's last message may have been taken out by somebody.
	if before.replicas > 1 && seq <= before.last && seq > before.first && r.late < fillTries {
		r.late++
		return errBehind
	}
	r.late = 0
	r.p.s.stats.scans.Add(1)
	k, err := r.p.keeps(ctx)
	if err != nil {
		return err
	}
	d := r.p.dispatcher
	for _, j := range jobs {
		behind, kept := k.behind(kept[j.m.token], n-1)
		d.mail.put(func() { d.began(j.m, j.round, j.life, behind, kept) })
	}
	return nil
}
