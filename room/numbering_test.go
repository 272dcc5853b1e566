package room

import (
	"math/rand/v2"
	"testing"
)

func TestNumberingIsThatOfTheMessages(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var y numbering
		n, floor := uint64(r.IntN(5)), uint64(0)
		all := map[uint64]uint64{n: uint64(r.IntN(3))}
		floor = n
		y.begin(n, all[n])
		for range 100 {
			n++
			all[n] = all[n-1] + 1
			if r.IntN(3) == 0 {
				all[n] += uint64(r.IntN(4))
			}
			if r.IntN(10) == 0 {
				y.add(n, all[n]+7) // and it did not come into the log
			}
			y.add(n, all[n])
			if r.IntN(5) == 0 {
				floor += uint64(r.IntN(int(n - floor + 1)))
				y.forget(floor)
			}
			for at := floor; at <= n; at++ {
				if got := y.seq(at); got != all[at] {
					t.Fatalf("seed %d: message %d is %d, want %d", seed, at, got, all[at])
				}
			}
			for seq, want := all[floor], floor; seq <= all[n]+3; seq++ {
				for want < n && all[want+1] <= seq {
					want++
				}
				if got := y.behind(seq, n); got != want {
					t.Fatalf("seed %d: behind %d is %d, want %d", seed, seq, got, want)
				}
			}
			if len(y.runs) > int(n-floor)+1 {
				t.Fatalf("%d runs of %d messages", len(y.runs), n-floor)
			}
		}
	}
}
