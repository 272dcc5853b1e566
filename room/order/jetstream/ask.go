package jetstream

import "context"

// Ask implements order.Asker. The leader knows. Close waits for the dispatcher, and so for what
// that begins.
func (s *Source) Ask(name string, answer func(last uint64, err error)) {
	p, token := s.partitionFor(name), toToken.Replace(name)
	d := p.dispatcher
	d.mail.put(func() {
		s.running.Go(func() {
			ctx, cancel := context.WithTimeout(s.ctx, requestTime)
			defer cancel()
			top, err := p.stored(ctx, map[string]any{"last_by_subj": subject(publishedIn, p.number, token)})
			if err != nil {
				answer(0, err)
				return
			}
			d.mail.put(func() {
				d.drain()
				if m := d.rooms[p.number][token]; m != nil && m.room != nil && m.state == live && m.last.Seq < top.seq {
					d.fill(m, top.seq)
				}
				answer(top.seq, nil)
			})
		})
	})
}
