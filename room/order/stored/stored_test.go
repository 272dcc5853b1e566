package stored

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"chatd/room/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inside is a room that notes what it is told.
type inside struct {
	mu     sync.Mutex
	epoch  uint32
	behind order.Point
	kept   []order.Message
	tags   []uint64
	failed map[uint64]error
	told   sync.Cond
}

func newInside() *inside {
	r := &inside{failed: make(map[uint64]error)}
	r.told.L = &r.mu
	return r
}

func (r *inside) Begin(epoch uint32, behind order.Point, kept []order.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch, r.behind, r.kept = epoch, behind, kept
}

func (r *inside) Place(tag uint64, m order.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept, r.tags = append(r.kept, m), append(r.tags, tag)
	r.told.Broadcast()
}

func (r *inside) Miss(order.Point) { panic("a store misses nothing") }

func (r *inside) Fail(tag uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[tag] = err
	r.told.Broadcast()
}

// wait returns when n messages have been told of, one way or the other.
func (r *inside) wait(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.tags)+len(r.failed) < n {
		r.told.Wait()
	}
}

func open(t testing.TB, dir string, sync time.Duration) *Store {
	t.Helper()
	s, err := Open(dir, sync)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func enter(s *Store, name string) *inside {
	r := newInside()
	s.Enter(name, r)
	return r
}

func said(n int) order.Message {
	return order.Message{ID: fmt.Sprint("id", n%3), Name: "Ana", Nonce: fmt.Sprint(n), Binary: n%2 == 1, Payload: fmt.Appendf(nil, "message %d", n)}
}

// syncs are both kinds.
var syncs = map[string]time.Duration{"each hour": time.Hour, "always": 0}

func TestRoomComesBackAsItWas(t *testing.T) {
	for name, sync := range syncs {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, sync)
			a, b := enter(s, "a"), enter(s, "b")
			for n := range 10 {
				s.Publish("a", uint64(n+1), said(n))
				s.Publish("b", uint64(n+1), said(100+n))
			}
			a.wait(10)
			b.wait(10)
			s.Forget("b", 6)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, sync)
			if names := s.Rooms(); !slices.Equal(names, []string{"a", "b"}) {
				t.Errorf("%q", names)
			}
			again := enter(s, "a")
			if again.epoch != a.epoch || again.behind != (order.Point{}) || fmt.Sprint(again.kept) != fmt.Sprint(a.kept) {
				t.Errorf("%+v\nwas %+v", again, a)
			}
			again = enter(s, "b")
			if want := b.kept[len(b.kept)-len(again.kept):]; again.epoch != b.epoch || len(again.kept) < 4 || fmt.Sprint(again.kept) != fmt.Sprint(want) ||
				again.behind != (order.Point{}) && again.behind.Seq != again.kept[0].Seq-1 {
				t.Errorf("%+v\nwas %+v", again, b)
			}
			s.Publish("b", 7, said(1))
			again.wait(1)
			if last := again.kept[len(again.kept)-1]; last.Seq != 11 || again.tags[0] != 7 {
				t.Errorf("%+v", last)
			}
		})
	}
}

func TestWhatIsNeededNoMoreIsDeletedButForItsNumber(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, time.Hour)
	a := enter(s, "a")
	const n = 3000
	for i := range n {
		s.Publish("a", uint64(i+1), said(i))
	}
	s.flush(true)
	s.Forget("a", n)
	s.flush(true)
	if st := s.Stats(); st.Messages != 1 || len(s.dead) != 0 {
		t.Errorf("%+v, %d to be deleted", st, len(s.dead))
	}
	s.Close()
	s = open(t, dir, time.Hour)
	again := enter(s, "a")
	if want := (order.Point{Seq: n, At: a.kept[n-1].At}); again.epoch != a.epoch || len(again.kept) != 0 || again.behind != want {
		t.Errorf("%+v", again)
	}
	s.Leave("a")
	s.Close()
	if s = open(t, dir, time.Hour); len(s.Rooms()) != 0 {
		t.Errorf("%q", s.Rooms())
	}
	if enter(s, "a").epoch == a.epoch {
		t.Error("the epoch is the same")
	}
}

func TestDiskThatIsFullFailsWhatHasNoPlaceAndGoesOnByItself(t *testing.T) {
	for name, sync := range syncs {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, sync)
			a := enter(s, "a")
			full := errors.New("no space left on device")
			var mu chan error = make(chan error, 1)
			mu <- nil
			set := func(err error) { <-mu; mu <- err }
			s.fault = func() error { err := <-mu; mu <- err; return err }
			s.Publish("a", 1, said(1))
			a.wait(1)
			set(full)
			s.Publish("a", 2, said(2)) // has its place unless that is to wait for the disk
			s.flush(true)
			a.wait(2)
			if (a.failed[2] != nil) != (sync == 0) {
				t.Errorf("%v", a.failed)
			}
			s.Publish("a", 3, said(3))
			a.wait(3)
			if !errors.Is(a.failed[3], full) || !errors.Is(s.Ready(), full) {
				t.Errorf("%v, %v", a.failed, s.Ready())
			}
			set(nil)
			s.flush(true)
			if err := s.Ready(); err != nil {
				t.Error(err)
			}
			s.Publish("a", 4, said(4))
			a.wait(4)
			s.Close()
			s = open(t, dir, sync)
			if again := enter(s, "a"); fmt.Sprint(again.kept) != fmt.Sprint(a.kept) || len(again.kept) != 4-len(a.failed) {
				t.Errorf("%+v\nwas %+v", again, a)
			}
		})
	}
}

// What is published while the store is closed is on disk, or has failed.
func TestPublishThatMeetsTheCloseIsKeptOrFails(t *testing.T) {
	for name, sync := range syncs {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, sync)
			a := enter(s, "a")
			done := make(chan struct{})
			const n = 500
			go func() {
				defer close(done)
				for i := range n {
					s.Publish("a", uint64(i+1), said(i))
				}
			}()
			a.wait(10)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			<-done
			a.wait(n)
			s = open(t, dir, sync)
			if again := enter(s, "a"); fmt.Sprint(again.kept) != fmt.Sprint(a.kept) || len(again.kept)+len(a.failed) != n {
				t.Errorf("%d of %d are there, %d failed", len(again.kept), n, len(a.failed))
			}
		})
	}
}

func TestFileThatIsNotAsItWasIsRefused(t *testing.T) {
	whole := t.TempDir()
	s := open(t, whole, 0)
	a := enter(s, "a")
	for i := range 2000 {
		s.Publish("a", uint64(i+1), said(i))
	}
	a.wait(2000)
	s.Close()
	file, err := os.ReadFile(filepath.Join(whole, fileName))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"shorter":         func(b []byte) []byte { return b[:len(b)/4096/2*4096/8] },
		"another message": func(b []byte) []byte { return bytes.Replace(b, []byte("message 1000"), []byte("message 1001"), -1) },
		"another epoch": func(b []byte) []byte {
			return bytes.Replace(b, appendRoom(nil, &room{id: 1, epoch: a.epoch}), appendRoom(nil, &room{id: 1, epoch: a.epoch})[:8], -1)
		},
		"another version": func(b []byte) []byte { return bytes.ReplaceAll(b, format, []byte("chatd rooms 2")) },
		"zeros":           func(b []byte) []byte { return make([]byte, len(b)) },
		"text":            func(b []byte) []byte { return []byte(strings.Repeat("hello\n", 10_000)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, fileName), spoil(bytes.Clone(file)), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, 0)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if text := err.Error(); !strings.Contains(text, "move it away") || strings.Contains(text, "\n") {
				t.Error(text)
			}
		})
	}
}

// A file with a byte that is not as it was is refused, or has what was written: it is
// never read as something else.
func TestDamageIsFound(t *testing.T) {
	whole := t.TempDir()
	s := open(t, whole, 0)
	a := enter(s, "a")
	for i := range 200 {
		s.Publish("a", uint64(i+1), said(i))
	}
	a.wait(200)
	s.Close()
	file, err := os.ReadFile(filepath.Join(whole, fileName))
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for range 200 {
		b := bytes.Clone(file)
		at := r.IntN(len(b))
		b[at] ^= byte(1 + r.IntN(255))
		if err := os.WriteFile(filepath.Join(dir, fileName), b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, 0)
		if err != nil {
			continue
		}
		if names := s.Rooms(); len(names) == 1 && names[0] == "a" {
			if again := enter(s, "a"); again.epoch != a.epoch || len(again.kept) > 0 && fmt.Sprint(again.kept) != fmt.Sprint(a.kept[:len(again.kept)]) {
				t.Errorf("seed %d, byte %d: %d messages of another room", seed, at, len(again.kept))
			}
		}
		s.Close()
	}
}
