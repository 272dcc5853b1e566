package tls13

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"testing"

	"chatd/poller"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if ask, ok := os.LookupEnv(asClients); ok {
		if err := beClients(ask); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

var suites = []suite{aes128, aes256, chacha}

// newPair is two Sessions that belong together.
func newPair(s suite) (server, client *Session) {
	var a, b [secretMost]byte
	rand.Read(a[:])
	rand.Read(b[:])
	up, down := a[:s.secretSize()], b[:s.secretSize()]
	return newSession(s, false, up, down), newSession(s, true, down, up)
}

// record seals a record of any kind and content, of w's next number.
func record(w *Writer, kind byte, p []byte) []byte {
	b := w.cipher(nil)
	to := make([]byte, overhead+len(p))
	w.seal(b, to, kind, w.seq, p)
	w.seq++
	return to
}

// chunks is a Source that gives its bytes in pieces of at most most.
type chunks struct {
	bytes []byte
	most  int
}

func (c *chunks) Read(p []byte) int {
	if len(c.bytes) == 0 {
		return 0
	}
	n := copy(p[:min(len(p), c.most)], c.bytes)
	c.bytes = c.bytes[n:]
	return n
}

// all is what a Reader gave.
type all struct {
	plain   []byte
	end     int
	alert   Alert
	updates int
	reads   int
}

// readAll reads until the end.
func readAll(r *Reader, src Source, p []byte) (got all) {
	for {
		g := r.Read(src, p, 0)
		got.reads++
		if g.Update {
			got.updates++
		}
		switch {
		case g.N > 0:
			got.plain = append(got.plain, p[:g.N]...)
		case g.N != poller.WouldBlock:
			got.end, got.alert = g.N, g.Alert
			return got
		}
	}
}

// line is a socket that takes as much as a test says, and looks at what it is given: of
// what it was given for a number under a key, and has taken a byte of, there must not
// be another version.
type line struct {
	worker *poller.Worker
	takes  func(n int) int // of n bytes; WouldBlock

	bytes []byte // what was taken

	// For the watch, unless it is nil.
	receiver *Reader // has the keys, and follows what was taken whole
	left     []byte  // of a record that was taken in part
	sealed   map[numbered]uint64
	fault    error
}

// numbered is a record's number under a key.
type numbered struct {
	key [secretMost]byte
	seq uint64
}

var seed = maphash.MakeSeed()

// newLine is a line that takes at most most bytes at a time, -1: all.
func newLine(most int) *line {
	l := &line{takes: func(n int) int {
		if most < 0 {
			return n
		}
		return min(n, most)
	}}
	l.worker = poller.NewWorker(nil, l)
	return l
}

// watch has the line look at what w gives it.
func (l *line) watch(w *Writer) *line {
	l.receiver = &Reader{keys: w.keys}
	l.receiver.owes, l.receiver.client = 0, true
	l.sealed = map[numbered]uint64{}
	return l
}

// Send implements poller.Sender.
func (l *line) Send(_ int32, p []byte) int {
	n := l.takes(len(p))
	if l.receiver != nil && l.fault == nil {
		l.fault = l.look(p, n)
	}
	if n > 0 {
		l.bytes = append(l.bytes, p[:n]...)
	}
	return n
}

// Fanout implements poller.Sender.
func (l *line) Fanout([]int32, []byte, []int32) { panic("nobody calls it") }

// Scatter implements poller.Sender.
func (l *line) Scatter([]int32, []byte, []int32) { panic("nobody calls it") }

// Close implements poller.Sender.
func (l *line) Close() {}

var (
	errReused = errors.New("a number was used twice with different bytes")
	errRest   = errors.New("what follows is not the rest of a record that is half sent")
)

// look looks at p, of which n bytes are taken.
func (l *line) look(p []byte, n int) error {
	taken := max(n, 0)
	if len(l.left) > 0 {
		k := min(len(l.left), len(p))
		if !bytes.Equal(p[:k], l.left[:k]) {
			if err := l.identify(p); err != nil {
				return err
			}
			return errRest
		}
		k = min(k, taken)
		l.left, p, taken = l.left[k:], p[k:], taken-k
	}
	for taken > 0 {
		size := recordSize(p)
		if err := l.identify(p[:size]); err != nil {
			return err
		}
		l.left, p, taken = p[min(taken, size):size], p[size:], taken-min(taken, size)
		l.left = bytes.Clone(l.left)
	}
	return nil
}

// identify finds the number of a record of which something is taken.
func (l *line) identify(p []byte) error {
	if len(p) < headerSize || len(p) < recordSize(p) {
		return nil
	}
	p = p[:recordSize(p)]
	r := l.receiver
	o := &opener{aead: r.aead()}
	for back := range uint64(5) {
		if back > r.seq {
			break
		}
		seq := r.seq - back
		r.nonce(&o.nonce, seq)
		plain, err := o.aead.Open(nil, o.nonce[:], p[headerSize:], p[:headerSize])
		if err != nil {
			continue
		}
		id, sum := numbered{r.material, seq}, maphash.Bytes(seed, p)
		if before, ok := l.sealed[id]; ok && before != sum {
			return fmt.Errorf("%w: record %d", errReused, seq)
		}
		l.sealed[id] = sum
		if seq != r.seq {
			return fmt.Errorf("record %d comes when it is the turn of %d", seq, r.seq)
		}
		r.seq++
		if plain[len(plain)-1] == typeHandshake {
			r.update()
		}
		return nil
	}
	return errors.New("a record can't be opened")
}
