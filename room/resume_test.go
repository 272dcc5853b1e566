package room

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// Clients are cut at any time, come back with their positions, and have in the end
// heard everything in order, or were told exactly what is missing.
func TestResumeUnderFire(t *testing.T) {
	const clients, writers, each = 24, 4, 400
	for _, history := range []int{writers * each, 40} {
		t.Run(fmt.Sprint("history ", history), func(t *testing.T) {
			s := startServer(t, withHistory(history), withDeflate, func(c *Config) { c.Queue = 1 << 20 })
			var group sync.WaitGroup
			for i := range clients {
				first := s.chat("?since=now")
				group.Go(func() { s.returns(first, writers*each, uint64(i)) })
			}
			for i := range writers {
				p := s.join()
				group.Go(func() {
					for n := range each {
						p.say(text(fmt.Sprint(i, " says ", n)))
						if n%16 == 15 { // not all at once: some is to be missed
							for range 16 {
								if _, err := p.frame(); err != nil {
									t.Error(err)
									return
								}
							}
						}
					}
				})
			}
			group.Wait()
			if st := s.Stats(); history == writers*each && st.Resumed["gap"] > 0 || st.Resumed["resumed"] == 0 {
				t.Errorf("%v, %v", st.Resumed, st.Gaps)
			}
		})
	}
}

// returns hears a room's messages up to the last one, and is cut now and then.
func (s *testServer) returns(c *chatPeer, last int, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	heard := c.seq
	for heard < last {
		for range r.IntN(100) {
			e := c.next()
			if e["type"] != "say" || c.seq != heard+1 {
				s.t.Errorf("%v behind %d", e, heard)
				return
			}
			if heard = c.seq; heard == last {
				break
			}
		}
		if heard == last {
			break
		}
		c.Close()
		back, w := s.chatWelcome("?since=" + c.position())
		if w["resumed"] != true {
			gap := back.next()
			if !gap.has(event{"type": "gap", "from": heard + 1, "to": back.seq, "why": "history"}) || back.seq <= heard {
				s.t.Errorf("%v and %v behind %d", w, gap, heard)
				return
			}
			heard = back.seq
		} else if back.seq != heard {
			s.t.Errorf("%v behind %d", w, heard)
			return
		}
		c = back
	}
}
