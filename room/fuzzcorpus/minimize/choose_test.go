package main

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func names(chosen [][]byte) string {
	var all []string
	for _, c := range chosen {
		all = append(all, string(c))
	}
	return strings.Join(all, " ")
}

func TestFewShortInputsThatCoverAllAreChosen(t *testing.T) {
	for name, tt := range map[string]struct {
		kept, found []measured
		want        string
	}{
		"nothing there":                   {nil, nil, ""},
		"one that covers nothing":         {nil, []measured{{[]byte("a"), nil}}, ""},
		"the shortest of the same":        {nil, []measured{{[]byte("bb"), []int{1}}, {[]byte("c"), []int{1}}, {[]byte("aa"), []int{1}}}, "c"},
		"the first by its bytes of those": {nil, []measured{{[]byte("b"), []int{1}}, {[]byte("a"), []int{1}}}, "a"},
		"the one that covers most":        {nil, []measured{{[]byte("a"), []int{1}}, {[]byte("b"), []int{2}}, {[]byte("long"), []int{2, 1}}}, "long"},
		"what adds most to what there is": {nil, []measured{{[]byte("a"), []int{1, 2, 3, 4}}, {[]byte("b"), []int{1, 2, 3}}, {[]byte("c"), []int{4, 5}}}, "a c"},
		"what is kept covers it":          {[]measured{{[]byte("kept"), []int{1, 2}}}, []measured{{[]byte("a"), []int{2}}, {[]byte("b"), []int{2, 3}}}, "b"},
	} {
		if got := names(choose(tt.kept, tt.found)); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestChosenInputsCoverAllInWhateverOrderTheyAreFound(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var found []measured
		all := map[int]bool{}
		of := map[string][]int{}
		for i := range 40 {
			m := measured{input: []byte(strings.Repeat("x", r.IntN(5)) + string(rune('a'+i)))}
			for f := range 30 {
				if r.IntN(8) == 0 {
					m.features = append(m.features, f)
					all[f] = true
				}
			}
			of[string(m.input)] = m.features
			found = append(found, m)
		}
		chosen := choose(nil, found)
		for _, c := range chosen {
			for _, f := range of[string(c)] {
				delete(all, f)
			}
		}
		r.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
		if again := choose(nil, found); len(all) > 0 || names(again) != names(chosen) {
			t.Fatalf("seed %d: %q, in another order %q, not covered: %v", seed, chosen, again, all)
		}
	}
}

func TestCountsAreToldApartByPowersOfTwo(t *testing.T) {
	for count, want := range map[int]int{0: 0, 1: 1, 2: 2, 3: 2, 4: 3, 7: 3, 8: 4, 127: 7, 128: 8, 255: 8, 1 << 20: 8} {
		if got := class(count); got != want {
			t.Errorf("%d: %d, want %d", count, got, want)
		}
	}
}
