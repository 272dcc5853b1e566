package tls13

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"chatd/poller"
)

// lines are sockets by their numbers, each of which has a watch.
type lines struct {
	all      []*line
	scatters int
	lost     map[int32]bool // of which nobody can know what they took
}

// Send implements poller.Sender.
func (l *lines) Send(fd int32, p []byte) int { return l.all[fd].Send(fd, p) }

// Fanout implements poller.Sender.
func (l *lines) Fanout([]int32, []byte, []int32) { panic("nobody calls it") }

// Scatter implements poller.Sender.
func (l *lines) Scatter(fds []int32, p []byte, results []int32) {
	l.scatters++
	size := len(p) / len(fds)
	for i, fd := range fds {
		if results[i] = int32(l.Send(fd, p[i*size:][:size])); l.lost[fd] {
			results[i] = -int32(unix.EIO)
		}
	}
}

// Close implements poller.Sender.
func (l *lines) Close() {}

// crowd is Writers, their lines, and who reads from those.
type crowd struct {
	lines
	on      *poller.Worker
	writers []*Writer
	readers []*Reader
	fds     []int32
	ciphers Ciphers
}

func newCrowd(s suite, n int) *crowd {
	c := &crowd{}
	c.lost = make(map[int32]bool)
	c.on = poller.NewWorker(nil, &c.lines)
	for i := range n {
		server, client := newPair(s)
		c.writers, c.readers = append(c.writers, &server.Writer), append(c.readers, &client.Reader)
		c.all, c.fds = append(c.all, newLine(-1)), append(c.fds, int32(i))
	}
	return c
}

func (c *crowd) watch() {
	for i, l := range c.all {
		l.watch(c.writers[i])
	}
}

func (c *crowd) writer(i int) *Writer { return c.writers[i] }

func (c *crowd) fanout(p []byte) []int32 {
	results := make([]int32, len(c.fds))
	Fanout(c.on, &c.ciphers, c.fds, c.writer, p, results)
	return results
}

func TestFanoutIsOneCallForAsManyAsFind(t *testing.T) {
	for size, want := range map[int]int{1: 1, 133: 1, 1000: 4, 10_000: 34, 70_000: 0} {
		c := newCrowd(aes128, 200)
		p := bytes.Repeat([]byte("x"), size)
		for i, n := range c.fanout(p) {
			if int(n) != size {
				t.Errorf("%d bytes, socket %d: %d", size, i, n)
			}
			if got := readAll(c.readers[i], &chunks{c.all[i].bytes, 1 << 20}, make([]byte, bigP)); !bytes.Equal(got.plain, p) {
				t.Errorf("%d bytes, socket %d: %d came, %v", size, i, len(got.plain), got.alert)
			}
		}
		if c.scatters != want {
			t.Errorf("%d bytes: %d calls, want %d", size, c.scatters, want)
		}
	}
}

func TestFanoutUsesNoNumberTwiceWithDifferentBytes(t *testing.T) {
	for _, s := range suites {
		for seed := range uint64(10) {
			t.Run(fmt.Sprint(s, "/", seed), func(t *testing.T) { fanoutAtRandom(t, s, seed) })
		}
	}
}

func fanoutAtRandom(t *testing.T, s suite, seed uint64) {
	const n = 12
	r := rand.New(rand.NewPCG(seed, uint64(s)))
	c := newCrowd(s, n)
	want := make([][]byte, n)
	for i, l := range c.all {
		if r.IntN(3) == 0 { // new keys will be due
			c.writers[i].seq = updateAt - r.Uint64N(20)
			c.readers[i].seq = c.writers[i].seq
		}
		l.takes = func(n int) int {
			switch r.IntN(6) {
			case 0:
				return poller.WouldBlock
			case 1:
				return 1 + r.IntN(n)
			}
			return n
		}
	}
	c.watch()
	for range 40 {
		switch r.IntN(8) {
		case 0:
			c.ciphers.Tick()
		case 1:
			c.writers[r.IntN(n)].Update()
		case 2:
			i := r.IntN(n)
			c.writers[i].Flush(c.on, &c.ciphers, c.fds[i])
		}
		p := make([]byte, 1+r.IntN(1<<r.IntN(18)))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		for i, took := range c.fanout(p) {
			if took < 0 && took != int32(poller.WouldBlock) {
				t.Fatal("fan-out:", took)
			}
			want[i] = append(want[i], p[:max(took, 0)]...)
		}
	}
	for i, w := range c.writers {
		w.End(CloseNotify)
		for w.Flush(c.on, &c.ciphers, c.fds[i]) != 0 {
		}
		got := readAll(c.readers[i], &chunks{c.all[i].bytes, 1 + r.IntN(40000)}, make([]byte, 64<<10))
		if c.all[i].fault != nil || !bytes.Equal(got.plain, want[i]) || got.end != 0 {
			t.Errorf("socket %d: %v; %d bytes came, end %d %v; want %d bytes", i, c.all[i].fault, len(got.plain), got.end, got.alert, len(want[i]))
		}
	}
}

// What such a socket took may have been a whole record.
func TestNothingMoreIsSealedForASocketOfWhichNobodyKnowsWhatItTook(t *testing.T) {
	c := newCrowd(aes128, 5)
	c.watch()
	c.lost[2] = true
	for round := range 2 {
		for i, n := range c.fanout([]byte("hello")) {
			want := int32(5)
			if i == 2 {
				want = -int32(unix.EIO)
				if round > 0 {
					want = int32(Ended)
				}
			}
			if n != want {
				t.Errorf("round %d, socket %d: %d, want %d", round, i, n, want)
			}
		}
	}
	w := c.writers[2]
	w.Update()
	w.End(CloseNotify)
	if r := w.Flush(c.on, &c.ciphers, 2); r != 0 || len(c.all[2].bytes) != overhead+5 || c.all[2].fault != nil {
		t.Errorf("flush: %d, %d bytes went, %v", r, len(c.all[2].bytes), c.all[2].fault)
	}
}

func TestFanoutAllocatesNothing(t *testing.T) {
	c := newCrowd(aes128, 100)
	for _, l := range c.all {
		l.takes = func(n int) int { l.bytes = l.bytes[:0]; return n }
	}
	p, results := make([]byte, 133), make([]int32, 100)
	send := func() { Fanout(c.on, &c.ciphers, c.fds, func(i int) *Writer { return c.writers[i] }, p, results) }
	send()
	if n := testing.AllocsPerRun(20, send); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
