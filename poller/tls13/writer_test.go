package tls13

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"chatd/poller"
)

func TestSendSaysWhatWasTaken(t *testing.T) {
	server, _ := newPair(aes128)
	w := &server.Writer
	steps := []int{poller.WouldBlock, -int(unix.EPIPE), 10, poller.WouldBlock, 5, poller.WouldBlock, 1 << 20}
	l := newLine(-1)
	l.takes = func(n int) int {
		n, steps = min(n, steps[0]), steps[1:]
		return n
	}
	data := []byte("some bytes")
	for i, want := range []struct {
		n       int
		pending bool
	}{
		{poller.WouldBlock, false}, // nothing, and nothing is begun
		{-int(unix.EPIPE), false},
		{len(data), true}, // a part of its record
	} {
		if n := w.Send(l.worker, nil, 0, data); n != want.n || w.Pending() != want.pending {
			t.Fatalf("send %d: %d, pending %v", i, n, w.Pending())
		}
	}
	if n := w.Send(l.worker, nil, 0, []byte("other")); n != poller.WouldBlock {
		t.Fatalf("behind a half-sent record: %d", n)
	}
	if r := w.Flush(l.worker, nil, 0); r != poller.WouldBlock {
		t.Fatalf("flush: %d", r)
	}
	if r := w.Flush(l.worker, nil, 0); r != 0 || w.Pending() {
		t.Fatalf("flush: %d, pending %v", r, w.Pending())
	}
}

func TestRecordsHaveTheirSize(t *testing.T) {
	server, _ := newPair(aes128)
	l := newLine(-1)
	p := make([]byte, 100_000)
	if n := server.Writer.Send(l.worker, nil, 0, p); n != len(p) {
		t.Fatal(n)
	}
	plain := 0
	for b := l.bytes; len(b) > 0; b = b[recordSize(b):] {
		n := recordSize(b) - overhead
		if plain += n; n > plainMost {
			t.Errorf("a record of %d bytes", n)
		}
	}
	if plain != len(p) {
		t.Errorf("%d bytes", plain)
	}
}

// An alert comes behind what is half sent, and is the last.
func TestEndComesBehindWhatIsHalfSent(t *testing.T) {
	for _, a := range []Alert{CloseNotify, BadRecordMAC} {
		server, client := newPair(chacha)
		w := &server.Writer
		l := newLine(7)
		n := w.Send(l.worker, nil, 0, []byte("the last"))
		w.End(a)
		w.End(InternalError) // the first counts
		for w.Pending() {
			if r := w.Flush(l.worker, nil, 0); r != 0 && r != poller.WouldBlock {
				t.Fatal(r)
			}
		}
		w.Update()
		if got := w.Send(l.worker, nil, 0, []byte("more")); n != 8 || got != Ended || w.Pending() {
			t.Errorf("sent %d, then %d, pending %v", n, got, w.Pending())
		}
		got := readAll(&client.Reader, &chunks{l.bytes, 1 << 20}, make([]byte, bigP))
		want := Alerted
		if a == CloseNotify {
			want = 0
		}
		if string(got.plain) != "the last" || got.end != want || got.alert != a {
			t.Errorf("%q, end %d %v", got.plain, got.end, got.alert)
		}
	}
}

func TestKeysAreChangedInTime(t *testing.T) {
	server, client := newPair(aes128)
	w := &server.Writer
	w.seq, client.Reader.seq = updateAt-2, updateAt-2
	secret := w.material
	l := newLine(-1).watch(w)
	var want []byte
	for i := range 5 {
		p := bytes.Repeat([]byte{byte(i)}, plainMost+1) // two records
		if n := w.Send(l.worker, nil, 0, p); n != len(p) {
			t.Fatal(n)
		}
		want = append(want, p...)
	}
	if w.material == secret || w.seq != 8 || l.fault != nil {
		t.Errorf("number %d, %v", w.seq, l.fault)
	}
	got := readAll(&client.Reader, &chunks{l.bytes, 1 << 20}, make([]byte, bigP))
	if !bytes.Equal(got.plain, want) || got.updates != 0 || updateAt >= 1<<24 {
		t.Errorf("%d bytes, %d updates, %v", len(got.plain), got.updates, got.alert)
	}
}

func TestCiphersAreLetGoOf(t *testing.T) {
	var c Ciphers
	l := newLine(-1)
	var writers []*Writer
	for i := range 4 {
		server, _ := newPair(aes128)
		writers = append(writers, &server.Writer)
		if n := writers[i].Send(l.worker, &c, 0, []byte("abc")); n != 3 {
			t.Errorf("%d: %d", i, n)
		}
	}
	if c.Len() != 4 {
		t.Errorf("%d ciphers", c.Len())
	}
	c.Tick()
	writers[1].Send(l.worker, &c, 0, []byte("x"))
	l.takes = func(n int) int { return min(n, 10) }
	writers[2].Send(l.worker, &c, 0, []byte("x"))
	c.Drop(writers[3])
	c.Drop(writers[3])
	c.Tick()
	if c.Len() != 2 || writers[0].busy != nil {
		t.Errorf("%d ciphers, %+v", c.Len(), writers[0].busy)
	}
	c.Tick()
	if b := writers[2].busy; c.Len() != 0 || c.kept != nil || writers[1].busy != nil || b == nil || b.aead != nil || !writers[2].Pending() {
		t.Errorf("%d ciphers, %+v", c.Len(), b)
	}
	l.takes = func(n int) int { return n }
	if r := writers[2].Flush(l.worker, &c, 0); r != 0 || c.Len() != 1 {
		t.Errorf("flush: %d, %d ciphers", r, c.Len())
	}
}

// Without Ciphers there is nobody to let go of one later.
func TestCipherIsForOneSendAlone(t *testing.T) {
	server, client := newPair(aes256)
	w := &server.Writer
	l := newLine(-1)
	w.Send(l.worker, nil, 0, []byte("one"))
	if w.busy != nil {
		t.Errorf("%+v is kept", w.busy)
	}
	l.takes = func(n int) int { return min(n, 10) }
	w.Send(l.worker, nil, 0, []byte("two"))
	if b := w.busy; b == nil || b.aead != nil {
		t.Errorf("%+v is kept", b)
	}
	w.End(CloseNotify)
	for w.Flush(l.worker, nil, 0) != 0 {
	}
	if w.busy != nil {
		t.Errorf("%+v is kept", w.busy)
	}
	if got := readAll(&client.Reader, &chunks{l.bytes, 9}, make([]byte, bigP)); string(got.plain) != "onetwo" || got.end != 0 {
		t.Errorf("%q, end %d", got.plain, got.end)
	}
}

func TestSendingAllocatesNothing(t *testing.T) {
	server, _ := newPair(aes128)
	l := newLine(-1)
	l.takes = func(n int) int { l.bytes = l.bytes[:0]; return n }
	var c Ciphers
	p := make([]byte, 133)
	server.Writer.Send(l.worker, &c, 0, p)
	if n := testing.AllocsPerRun(100, func() { server.Writer.Send(l.worker, &c, 0, p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
