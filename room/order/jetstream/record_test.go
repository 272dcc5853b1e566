package jetstream

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatd/room/order"
	"chatd/room/order/natstest"
)

// wait is for what should take milliseconds, or seconds if an election is in it.
const wait = 40 * time.Second

// What takes long here is elections: more tests than processors may wait for them.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // else it takes longer
	goleak.VerifyTestMain(m)
}

// recorder is a Room that notes what it is told.
type recorder struct {
	mu     sync.Mutex
	heard  chan struct{} // closed, and another one made, when something is told
	begins int
	epoch  uint32
	behind order.Point
	kept   int // messages of the last Begin
	said   []order.Message
	placed map[uint64]int // by tag
	failed map[uint64]error
	misses []order.Point
}

func newRecorder() *recorder {
	return &recorder{heard: make(chan struct{}), placed: make(map[uint64]int), failed: make(map[uint64]error)}
}

func (r *recorder) note(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.heard)
	r.heard = make(chan struct{})
}

func (r *recorder) Begin(epoch uint32, behind order.Point, kept []order.Message) {
	r.note(func() {
		r.begins++
		r.epoch, r.behind, r.kept, r.said = epoch, behind, len(kept), slices.Clone(kept)
	})
}

func (r *recorder) Place(tag uint64, m order.Message) {
	r.note(func() {
		r.said = append(r.said, m)
		if tag != 0 {
			r.placed[tag]++
		}
	})
}

func (r *recorder) Miss(upTo order.Point) { r.note(func() { r.misses = append(r.misses, upTo) }) }

func (r *recorder) Fail(tag uint64, err error) { r.note(func() { r.failed[tag] = err }) }

func (r *recorder) Recall(answer func(behind order.Point, kept []order.Message)) {
	r.mu.Lock()
	behind, kept := r.behind, slices.Clone(r.said)
	r.mu.Unlock()
	go answer(behind, kept)
}

// until waits until what was told is enough.
func (r *recorder) until(t *testing.T, what string, enough func() bool) {
	t.Helper()
	deadline := time.After(wait)
	for {
		r.mu.Lock()
		ok, heard := enough(), r.heard
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-heard:
		case <-deadline:
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("waiting for %s: %d begins, %d messages, %d placed, failed %v, missed %v", what, r.begins, len(r.said), len(r.placed), r.failed, r.misses)
		}
	}
}

func (r *recorder) untilBegun(t *testing.T) { t.Helper(); r.untilBegins(t, 1) }

func (r *recorder) untilBegins(t *testing.T, n int) {
	t.Helper()
	r.until(t, fmt.Sprint(n, " begins"), func() bool { return r.begins >= n })
}

func (r *recorder) untilSaid(t *testing.T, n int) {
	t.Helper()
	r.until(t, fmt.Sprint(n, " messages"), func() bool { return len(r.said) >= n })
}

func (r *recorder) untilPlaced(t *testing.T, n int) {
	t.Helper()
	r.until(t, fmt.Sprint(n, " own messages"), func() bool { return len(r.placed)+len(r.failed) >= n })
}

// all is what was said: number, time and payload.
func (r *recorder) all() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.said {
		all = append(all, fmt.Sprint(m.Seq, " ", m.At, " ", string(m.Payload)))
	}
	return all
}

// check fails if numbers don't grow, or something was placed twice.
func (r *recorder) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.behind.Seq
	for _, m := range r.said {
		if m.Seq <= last {
			t.Errorf("number %d after %d", m.Seq, last)
		}
		last = m.Seq
	}
	for tag, n := range r.placed {
		if n != 1 {
			t.Errorf("tag %d was placed %d times", tag, n)
		}
		if err := r.failed[tag]; err != nil {
			t.Errorf("tag %d was placed and failed: %v", tag, err)
		}
	}
}

// open is a Source that ends with the test.
func open(t *testing.T, url string, change ...func(*Config)) *Source {
	t.Helper()
	c := Config{URLs: []string{url}, Partitions: 4, History: 1000, Age: time.Hour, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	s, err := Open(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// enter has a new recorder in a room, once that has begun.
func enter(t *testing.T, s *Source, room string) *recorder {
	t.Helper()
	r := newRecorder()
	s.Enter(room, r)
	r.untilBegun(t)
	return r
}

// say has one author publish "NAME 1" to "NAME n" with the tags from first on.
func say(s *Source, room, name string, first, n int) {
	for i := range n {
		s.Publish(room, uint64(first+i), order.Message{ID: name, Payload: fmt.Appendf(nil, "%s %d", name, i+1), By: 1})
	}
}

func equal(t *testing.T, a, b *recorder) {
	t.Helper()
	if x, y := a.all(), b.all(); !slices.Equal(x, y) {
		t.Errorf("two nodes have other orders: %d and %d messages", len(x), len(y))
	}
}

func server(t *testing.T, args ...string) *natstest.Server {
	t.Helper()
	return natstest.Start(t, args...)
}
