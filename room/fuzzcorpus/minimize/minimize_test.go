package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"chatd/room/fuzzcorpus"
)

// A target that fails at "bad" and tells commas by their number.
const (
	toy = `package toy

func Commas(s string) (n int) {
	for _, c := range s {
		if c == ',' {
			n++
		}
	}
	if n > 0 && s[0] == '!' {
		return -n
	}
	return n
}
`
	toyTest = `package toy

import "testing"

func FuzzCommas(f *testing.F) {
	f.Add(",,,,,,,,,,,,,,,,") // is no input's coverage
	f.Fuzz(func(t *testing.T, s string) {
		if Commas(s); s == "bad" {
			t.Fatal("it is bad")
		}
	})
}
`
)

func encoded(s string) []byte { return fmt.Appendf(nil, "go test fuzz v1\nstring(%q)\n", s) }

func write(t *testing.T, data []byte, path ...string) {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestArchiveBecomesTheInputsThatAddCoverage(t *testing.T) {
	at := target{dir: t.TempDir(), name: "FuzzCommas", cache: t.TempDir()}
	write(t, []byte("module example.com/toy\n\ngo 1.26\n"), at.dir, "go.mod")
	write(t, []byte(toy), at.dir, "toy.go")
	write(t, []byte(toyTest), at.dir, "toy_test.go")
	write(t, encoded("!,"), at.dir, "testdata/fuzz/FuzzCommas/once_failed")
	long := strings.Repeat("x", 40)
	cached := []string{at.cache, "example.com/toy/FuzzCommas"}
	for i, s := range []string{long, ",,,,", ",b", strings.Repeat(",", maxInput)} {
		write(t, encoded(s), append(cached, fmt.Sprint(i))...)
	}
	expect := func(inputs ...string) {
		t.Helper()
		got, err := fuzzcorpus.Read(fuzzcorpus.Path(at.dir, at.name))
		if err != nil {
			t.Fatal(err)
		}
		var want [][]byte
		for _, s := range inputs {
			want = append(want, encoded(s))
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	minimize := func() {
		t.Helper()
		if err := at.minimize(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// What ",b" covers is covered by the one that once failed, but for the last
	// return, which the others reach, too.
	minimize()
	expect(",,,,", long)

	// What is found later, and what the archive has, are one.
	if err := os.RemoveAll(at.cache); err != nil {
		t.Fatal(err)
	}
	write(t, encoded("!"+strings.Repeat(",", 100)), append(cached, "later")...)
	minimize()
	expect(",,,,", long, "!"+strings.Repeat(",", 100))
	minimize()
	expect(",,,,", long, "!"+strings.Repeat(",", 100))

	// An input that fails is told, and nothing written.
	write(t, encoded("bad"), append(cached, "bad")...)
	err := at.minimize(t.Context())
	if err == nil || !strings.Contains(err.Error(), `string("bad")`) || !strings.Contains(err.Error(), "it is bad") {
		t.Fatal(err)
	}
	expect(",,,,", long, "!"+strings.Repeat(",", 100))

	at.name = "FuzzComma"
	if err := at.minimize(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "no such target in ") {
		t.Fatal(err)
	}
}
