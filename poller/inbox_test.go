package poller

import (
	"slices"
	"testing"
)

type letter struct {
	link *letter
	n    int
}

func (l *letter) Link() **letter { return &l.link }

func TestInboxGivesTheOldestFirst(t *testing.T) {
	var b Inbox[letter, *letter]
	for n := range 3 {
		b.Put(&letter{n: n})
	}
	var got []int
	b.Each(func(l *letter) {
		if got = append(got, l.n); l.n == 1 {
			b.Put(l) // at once again
		}
	})
	b.Each(func(l *letter) { got = append(got, l.n) })
	if !slices.Equal(got, []int{0, 1, 2, 1}) {
		t.Error(got)
	}
}

func TestPanicOverOneThingKeepsTheOthersInTheInbox(t *testing.T) {
	var b Inbox[letter, *letter]
	for n := range 4 {
		b.Put(&letter{n: n})
	}
	var got []int
	func() {
		defer func() { _ = recover() }()
		b.Each(func(l *letter) {
			if got = append(got, l.n); l.n == 1 {
				panic("planted fault")
			}
		})
	}()
	b.Each(func(l *letter) { got = append(got, l.n) })
	if !slices.Equal(got, []int{0, 1, 2, 3}) {
		t.Error(got)
	}
}
