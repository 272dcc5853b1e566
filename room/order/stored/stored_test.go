package stored

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
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
	s, err := Open(dir, sync, slog.New(slog.DiscardHandler))
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
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, time.Hour)
		a := enter(s, "a")
		const n = 3000
		for i := range n {
			s.Publish("a", uint64(i+1), said(i))
		}
		ticks()
		s.Forget("a", n)
		ticks()
		if st := s.Stats(); st.Messages != 1 || s.unwanted() != 0 {
			t.Errorf("%+v, %d to be deleted", st, s.unwanted())
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
	})
}

// ticks has a store that commits each hour do it.
func ticks() {
	time.Sleep(time.Hour)
	synctest.Wait()
}

// unwanted is how many messages are to be deleted. Nothing may be under way.
func (s *Store) unwanted() int { return len(s.dead) + len(s.doomed) }

func TestFileDoesNotGrowWithWhatIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), time.Hour)
		enter(s, "a")
		m := said(1)
		m.Payload = make([]byte, 2000)
		const each, rounds = 250, 60
		for i := range each * rounds {
			if s.Publish("a", 1, m); i%each == 0 {
				s.Forget("a", uint64(max(0, i-10)))
				ticks()
			}
		}
		if size := s.Stats().Bytes; size > 12<<20 {
			t.Errorf("%d bytes, of %d that were written", size, each*rounds*len(m.Payload))
		}
	})
}

func TestDeletingKeepsUpWithWhatIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), time.Hour)
		enter(s, "a")
		const each, rounds = minDeleted * 5 / 4, 3
		for i := range rounds {
			for range each {
				s.Publish("a", 1, order.Message{Payload: []byte("x")})
			}
			ticks()
			s.Forget("a", uint64((i+1)*each))
			if n := s.unwanted(); n > each+minDead {
				t.Errorf("%d to be deleted", n)
			}
		}
	})
}

// failing has the store's commits fail with what it is given, after they were written:
// so does a disk that can't say whether it was.
func failing(s *Store) (set func(error)) {
	var mu sync.Mutex
	var why error
	s.fault = func() error {
		mu.Lock()
		defer mu.Unlock()
		return why
	}
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		why = err
	}
}

var errFull = errors.New("no space left on device")

func TestDiskThatIsFullFailsWhatHasNoPlaceAndGoesOnByItself(t *testing.T) {
	for name, interval := range syncs {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				var log bytes.Buffer
				s, err := Open(dir, interval, slog.New(slog.NewTextHandler(&log, nil)))
				if err != nil {
					t.Fatal(err)
				}
				set := failing(s)
				a := enter(s, "a")
				s.Publish("a", 1, said(1))
				a.wait(1)
				set(errFull)
				s.Publish("a", 2, said(2)) // has its place unless that is to wait for the disk
				s.Publish("a", 3, said(3))
				time.Sleep(interval)
				a.wait(3)
				synctest.Wait()
				if (a.failed[2] != nil) != (interval == 0) || len(a.failed) > 2 {
					t.Errorf("%v", a.failed)
				}
				s.Publish("a", 4, said(4))
				a.wait(4)
				if !errors.Is(a.failed[4], errFull) || !errors.Is(s.Ready(), errFull) {
					t.Errorf("%v, %v", a.failed, s.Ready())
				}
				set(nil)
				time.Sleep(retry)
				synctest.Wait()
				if err := s.Ready(); err != nil {
					t.Error(err)
				}
				s.Publish("a", 5, said(5))
				a.wait(5)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if got := log.String(); strings.Count(got, "history can't be written") != 1 || strings.Count(got, "history is written again") != 1 {
					t.Error(got)
				}
				s = open(t, dir, interval)
				if again := enter(s, "a"); fmt.Sprint(again.kept) != fmt.Sprint(a.kept) || len(again.kept) != 5-len(a.failed) {
					t.Errorf("%+v\nwas %+v", again, a)
				}
			})
		})
	}
}

func TestCloseTellsWhatIsNotOnDisk(t *testing.T) {
	s := open(t, t.TempDir(), time.Hour)
	failing(s)(errFull)
	enter(s, "a")
	s.Publish("a", 1, said(1))
	s.Publish("a", 2, said(2))
	if err := s.Close(); !errors.Is(err, errFull) || !strings.Contains(err.Error(), "2 messages") {
		t.Error(err)
	}
}

// What is published faster than the disk writes waits for its place; while the disk does
// not answer nothing is taken.
func TestDiskThatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir(), time.Hour)
		answer := make(chan struct{})
		s.fault = func() error { <-answer; return nil }
		a := enter(s, "a")
		m := said(1)
		m.Payload = make([]byte, 1<<20)
		n := 0
		publish := func(more int) {
			for range more {
				n++
				s.Publish("a", uint64(n), m)
			}
			synctest.Wait()
		}
		publish(maxPlaced>>20 + 1) // are being written
		publish(maxPlaced >> 20)
		if len(a.tags) != n || len(a.failed) > 0 {
			t.Errorf("%d of %d have their places, %v", len(a.tags), n, a.failed)
		}
		publish(5)
		if len(a.tags) > n-4 || len(a.failed) > 0 {
			t.Errorf("%d of %d have their places, %v", len(a.tags), n, a.failed)
		}
		if err := s.Ready(); err != nil {
			t.Error(err)
		}
		time.Sleep(patience + time.Second)
		publish(1)
		if err := s.Ready(); err == nil || a.failed[uint64(n)] == nil {
			t.Errorf("%v, %v", err, a.failed)
		}
		close(answer)
		synctest.Wait()
		if err := s.Ready(); err != nil || len(a.tags) != n-1 {
			t.Errorf("%v; %d of %d have their places", err, len(a.tags), n-1)
		}
	})
}

// A room may be left while something that was said there is being written.
func TestRoomThatIsLeftMeanwhile(t *testing.T) {
	for name, fault := range map[string]error{"written": nil, "not written": errFull} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				s := open(t, dir, 0)
				answer := make(chan error)
				s.fault = func() error { return <-answer }
				old := enter(s, "a")
				s.Publish("a", 1, said(1))
				synctest.Wait()
				s.Publish("a", 2, said(2))
				s.Leave("a")
				a := enter(s, "a")
				answer <- fault
				close(answer)
				time.Sleep(retry)
				synctest.Wait()
				s.Publish("a", 3, said(3))
				a.wait(1)
				s.Close()
				if len(old.tags)+len(old.failed) > 0 || a.epoch == old.epoch || len(a.kept) != 1 || a.kept[0].Seq != 1 {
					t.Errorf("%+v, %+v", old, a)
				}
				s = open(t, dir, 0)
				if again := enter(s, "a"); again.epoch != a.epoch || fmt.Sprint(again.kept) != fmt.Sprint(a.kept) || s.live != 1 {
					t.Errorf("%+v\nwas %+v", again, a)
				}
			})
		})
	}
}

// What a crash finds is what the last commit wrote.
func TestCrashBetweenTwoCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, after := t.TempDir(), t.TempDir()
		s := open(t, dir, time.Hour)
		a := enter(s, "a")
		for i := range 5 {
			if i == 3 {
				ticks()
			}
			s.Publish("a", uint64(i+1), said(i))
		}
		file, err := os.ReadFile(filepath.Join(dir, fileName))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(after, fileName), file, 0o600); err != nil {
			t.Fatal(err)
		}
		again := enter(open(t, after, time.Hour), "a")
		if again.epoch != a.epoch || fmt.Sprint(again.kept) != fmt.Sprint(a.kept[:3]) {
			t.Errorf("%+v\nwas %+v", again, a)
		}
	})
}

func TestTimeNeverGoesBack(t *testing.T) {
	dir := t.TempDir()
	last := int64(0)
	for _, clock := range [][]int64{{10_000, 5000, 12_000}, {7000, 13_000}} {
		s := open(t, dir, 0)
		var now int64
		s.clock = func() int64 { return now }
		a := enter(s, "a")
		for i, at := range clock {
			now, last = at, max(last, at)
			s.Publish("a", uint64(i+1), said(i))
			a.wait(i + 1)
			if got := a.kept[len(a.kept)-1].At; got != last {
				t.Errorf("%d at %d, want %d", got, at, last)
			}
		}
		s.Close()
	}
}

func TestDirectoryIsTakenByOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "there", "is", "none")
	s := open(t, dir, time.Hour)
	if _, err := Open(dir, time.Hour, s.log); err == nil || !strings.Contains(err.Error(), "is another process's") {
		t.Error(err)
	}
	s.Close()
	open(t, dir, time.Hour)
}

// A file that could not be made to its end, as because the disk was full, is made again.
func TestFileThatWasNotMadeToItsEnd(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName+".new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, time.Hour)
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
}

// Who looks at the figures does not know of the end.
func TestFiguresMayBeAskedForToTheEnd(t *testing.T) {
	s := open(t, t.TempDir(), time.Hour)
	enter(s, "a")
	s.Publish("a", 1, said(1))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s.Stats().Commits == 0 {
		}
	}()
	s.Close()
	<-done
	if st := s.Stats(); st.Messages != 1 || st.Bytes == 0 {
		t.Errorf("%+v", st)
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
		"another program": func([]byte) []byte { return foreign(t) },
		"empty":           func([]byte) []byte { return nil },
		"zeros":           func(b []byte) []byte { return make([]byte, len(b)) },
		"text":            func(b []byte) []byte { return []byte(strings.Repeat("hello\n", 10_000)) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), fileName)
			spoilt := spoil(bytes.Clone(file))
			if err := os.WriteFile(path, spoilt, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(filepath.Dir(path), 0, s.log)
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if text := err.Error(); !strings.Contains(text, "move it away") || strings.Contains(text, "\n") {
				t.Error(text)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, spoilt) {
				t.Errorf("it was written to, %v", err)
			}
		})
	}
}

// foreign is a file of another program that uses bbolt, too.
func foreign(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), fileName)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
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
	path := filepath.Join(t.TempDir(), fileName)
	for range 200 {
		b := bytes.Clone(file)
		at := r.IntN(len(b))
		b[at] ^= byte(1 + r.IntN(255))
		_ = os.Remove(path) // another file: that one may still be mapped
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(filepath.Dir(path), 0, s.log)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("seed %d, byte %d: %v", seed, at, err)
			}
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
