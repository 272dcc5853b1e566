package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// span is from the least to the most that a count may be.
type span struct{ least, most float64 }

func exactly(n int) span { return span{float64(n), float64(n)} }

func (s span) has(v float64) bool { return s.least <= v && v <= s.most }

func (s span) String() string {
	if s.least == s.most {
		return fmt.Sprintf("%.0f", s.least)
	}
	return fmt.Sprintf("%.0f to %.0f", s.least, s.most)
}

// counts is what the server's must be when nobody comes or leaves.
type counts struct {
	members, rooms   span
	created, removed span // rooms, since the server's beginning
}

// anyCount is a count that is not known.
var anyCount = span{0, 1 << 53}

// roomTime is how long a room may be there, or missing, once its members are
// counted right: a second, and its history, of which the age is a second, two more.
const roomTime = 4 * time.Second

var errCounts = errors.New("the server's counts are not its clients'")

// agree waits until the server has seen all that its clients did, which its
// members show. Its rooms must agree with that within roomTime.
func (l *life) agree(want counts) (s Snapshot, err error) {
	var right time.Time // since when the members are
	agreed := false
	within(calmTime, func() bool {
		asked := time.Now()
		if s, err = l.admin.scrape(context.Background()); err != nil {
			return false
		}
		if !want.members.has(s["chatd_members"]) {
			right = time.Time{}
			return true
		}
		if right.IsZero() {
			right = time.Now()
		}
		agreed = want.rooms.has(s["chatd_rooms"]) && want.created.has(s["chatd_rooms_created_total"]) && want.removed.has(s["chatd_rooms_removed_total"])
		return !agreed && asked.Sub(right) < roomTime
	})
	if err == nil && !agreed {
		err = fmt.Errorf("%w: members %.0f (%v), rooms %.0f (%v), created %.0f (%v), removed %.0f (%v)", errCounts,
			s["chatd_members"], want.members, s["chatd_rooms"], want.rooms,
			s["chatd_rooms_created_total"], want.created, s["chatd_rooms_removed_total"], want.removed)
	}
	return s, err
}

// births has clients come into rooms and leave them, step by step and with nobody
// else about, so that it is known which rooms are made and which are removed.
// After each step the server's counts must be the clients'.
func (l *life) births() error {
	b := &birthsRun{life: l, plan: &l.plan.Births, rand: l.plan.Births.rand()}
	b.in = make([]int, b.plan.Rooms)
	defer l.crowd.do(func() {
		for _, cl := range b.there { // after an error
			cl.gone()
		}
	})
	const steps = 6 // each of them those who come, and those who leave
	for step := range steps {
		stay := 0 // of ten
		if step < steps-1 {
			stay = b.rand.IntN(9)
		}
		for _, do := range []func() error{b.come, func() error { return b.leave(stay) }} {
			if err := do(); err != nil {
				return err
			}
			if _, err := l.agree(b.want()); err != nil {
				return fmt.Errorf("step %d: %w", step+1, err)
			}
		}
	}
	l.done[Births]++
	return nil
}

// birthsRun is how far births has come.
type birthsRun struct {
	life             *life
	plan             *Phase
	rand             *rand.Rand
	there            []*client
	in               []int // clients, by room
	created, removed int   // rooms
}

// come has clients come, each into a room at random.
func (b *birthsRun) come() error {
	c := b.life.crowd
	for range 1 + b.rand.IntN(b.plan.Clients-len(b.there)) {
		room := b.rand.IntN(b.plan.Rooms)
		cl, err := c.connect(len(b.there), room, b.plan.manner(b.rand, false))
		if err != nil {
			return err
		}
		b.there = append(b.there, cl)
		if b.in[room]++; b.in[room] == 1 {
			b.created++
		}
	}
	return c.shaken(b.there)
}

// leave has all but so many of ten leave.
func (b *birthsRun) leave(stay int) error {
	c := b.life.crowd
	var stays, leaves []*client
	for _, cl := range b.there {
		if b.rand.IntN(10) < stay {
			stays = append(stays, cl)
			continue
		}
		leaves = append(leaves, cl)
		if b.in[cl.room.number]--; b.in[cl.room.number] == 0 {
			b.removed++
		}
	}
	b.there = stays
	c.do(func() {
		for _, cl := range leaves {
			cl.depart(exitOf(b.rand, b.plan.Gentle))
		}
	})
	return c.left(leaves)
}

// want is what the server's counts must be.
func (b *birthsRun) want() counts {
	return counts{
		members: exactly(len(b.there)), rooms: exactly(b.created - b.removed),
		created: exactly(b.created), removed: exactly(b.removed),
	}
}

// online is the counts when all clients are there and nobody comes or leaves. Of
// those that don't read some may have been dropped.
func (c *crowd) online() (want counts) {
	want.created, want.removed = anyCount, anyCount
	c.do(func() {
		all, full := make(map[*room]bool), make(map[*room]bool)
		for _, cl := range c.clients {
			want.members.most++
			all[cl.room] = true
			if cl.full {
				want.members.least++
				full[cl.room] = true
			}
		}
		want.rooms = span{float64(len(full)), float64(len(all))}
	})
	return want
}
