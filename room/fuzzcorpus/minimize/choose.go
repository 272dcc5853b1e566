package main

import (
	"bytes"
	"cmp"
	"slices"
)

// A measured input is one whose coverage is known.
type measured struct {
	input    []byte
	features []int // what it covers, each once
}

// choose returns inputs of found that, with those that are kept anyway, cover
// whatever any of them covers. It takes one after the other that adds most, the
// shortest of those. In which order they were found makes no difference, and
// they are returned by length, so that an archive changes little.
func choose(kept, found []measured) (chosen [][]byte) {
	covered := map[int]bool{}
	cover := func(m measured) {
		for _, f := range m.features {
			covered[f] = true
		}
	}
	for _, m := range kept {
		cover(m)
	}
	shorter := func(a, b []byte) int { return cmp.Or(cmp.Compare(len(a), len(b)), bytes.Compare(a, b)) }
	rest := slices.SortedFunc(slices.Values(found), func(a, b measured) int { return shorter(a.input, b.input) })
	for {
		best, most := 0, 0
		for i := range rest {
			rest[i].features = slices.DeleteFunc(slices.Clone(rest[i].features), func(f int) bool { return covered[f] })
			if n := len(rest[i].features); n > most {
				best, most = i, n
			}
		}
		if most == 0 {
			slices.SortFunc(chosen, shorter)
			return chosen
		}
		cover(rest[best])
		chosen = append(chosen, rest[best].input)
	}
}
