// Package fuzzcorpus keeps the corpus of a fuzz target in one archive,
// testdata/FuzzTarget.txtar, instead of a file for each input.
//
// The archive holds what fuzzing has found to be worth keeping, minimized by
// coverage: make corpus writes it (the command minimize). Inputs at which a
// target once failed aren't among them; they stay where Go puts them, in
// testdata/fuzz/FuzzTarget.
package fuzzcorpus

import "testing"

// Add adds the inputs of the target's archive to its seeds. It comes first in
// a target: then the one that Go calls seed#7 is the archive's, counted from 0.
func Add(f *testing.F) {
	f.Helper()
	inputs, err := Read(Path(".", f.Name()))
	if err != nil {
		f.Fatal(err)
	}
	for _, input := range inputs {
		values, err := decode(input)
		if err != nil {
			f.Fatalf("input %s of %s: %v", Name(input), Path(".", f.Name()), err)
		}
		f.Add(values...)
	}
}
