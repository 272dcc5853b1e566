package carry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"chatd/room/fuzzcorpus"
)

// written is the state that f writes.
func written(t testing.TB, f func(*Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b)
	f(w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reader reads that.
func reader(t testing.TB, f func(*Writer)) *Reader {
	t.Helper()
	r, err := NewReader(written(t, f))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// seal is a state of any bytes.
func seal(version uint64, body []byte) []byte {
	b := append(binary.AppendUvarint([]byte(magic), version), body...)
	sum := crc32.Checksum(b, table)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint64(b, uint64(len(b))), sum)
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 3*bufferSize/16)
	numbers := []uint64{0, 1, 127, 128, 1 << 20, math.MaxUint64}
	signed := []int64{0, 1, -1, math.MaxInt64, math.MinInt64}
	r := reader(t, func(w *Writer) {
		w.Section("numbers")
		w.Uint(uint64(len(numbers)))
		for _, n := range numbers {
			w.Uint(n)
		}
		for _, n := range signed {
			w.Int(n)
		}
		w.Section("others")
		w.Bool(true)
		w.Bool(false)
		w.Bytes(nil)
		w.Bytes(long)
		w.String(string(long))
		w.String("ü")
	})
	if r.Version() != Version {
		t.Error("version", r.Version())
	}
	r.Section("numbers")
	if n := r.Count(len(numbers)); n != len(numbers) {
		t.Fatal(n, r.Err())
	}
	for _, want := range numbers {
		if n := r.Uint(); n != want {
			t.Errorf("%d, want %d", n, want)
		}
	}
	for _, want := range signed {
		if n := r.Int(); n != want {
			t.Errorf("%d, want %d", n, want)
		}
	}
	r.Section("others")
	if !r.Bool() || r.Bool() || len(r.Bytes()) != 0 || !bytes.Equal(r.Bytes(), long) || r.String() != string(long) || r.String() != "ü" {
		t.Error("something else was read")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestStateThatIsDamagedAnywhereIsNotRead(t *testing.T) {
	good := written(t, func(w *Writer) {
		w.Section("a")
		w.Uint(1 << 40)
		w.String("some text")
	})
	for at := range good {
		for bit := range 8 {
			bad := slices.Clone(good)
			bad[at] ^= 1 << bit
			if r, err := NewReader(bad); err == nil || r != nil {
				t.Errorf("bit %d of byte %d: it is read", bit, at)
			}
		}
		if _, err := NewReader(good[:at]); err == nil {
			t.Errorf("%d of %d bytes are read", at, len(good))
		}
	}
	if _, err := NewReader(append(slices.Clone(good), 0)); !errors.Is(err, errTruncated) {
		t.Error("a byte more:", err)
	}
	if _, err := NewReader([]byte("\x7fELF and so on, and on, and on, and on")); !errors.Is(err, errMagic) {
		t.Error("something else:", err)
	}
	for _, version := range []uint64{Oldest - 1, Version + 1, 1 << 60} {
		if _, err := NewReader(seal(version, nil)); err == nil || !strings.Contains(err.Error(), "version") {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestWhatCannotBeIsRefusedAndNothingIsReadBehindIt(t *testing.T) {
	for name, tt := range map[string]struct {
		write func(*Writer)
		read  func(*Reader)
		want  string
	}{
		"another section":    {func(w *Writer) { w.Section("hubs") }, func(r *Reader) { r.Section("shards") }, `"hubs" is where the section shards should begin`},
		"a large number":     {func(w *Writer) { w.Uint(11) }, func(r *Reader) { r.UpTo(10) }, "11 where 10 is most"},
		"33 bits":            {func(w *Writer) { w.Uint(1 << 32) }, func(r *Reader) { r.Uint32() }, "most"},
		"yes, no or 2":       {func(w *Writer) { w.Uint(2) }, func(r *Reader) { r.Bool() }, "most"},
		"many elements":      {func(w *Writer) { w.String("0123456789"); w.Uint(9) }, func(r *Reader) { r.Count(9) }, "10 elements"},
		"more than fit":      {func(w *Writer) { w.Uint(1 << 40) }, func(r *Reader) { r.Count(math.MaxInt) }, "elements"},
		"more than an int":   {func(w *Writer) { w.Uint(math.MaxUint64) }, func(r *Reader) { r.Count(math.MaxInt) }, "elements"},
		"a negative most":    {func(w *Writer) { w.Uint(1) }, func(r *Reader) { r.Count(-1) }, "elements"},
		"bytes, cut":         {func(w *Writer) { w.Uint(1 << 20) }, func(r *Reader) { r.Bytes() }, "elements"},
		"text, cut":          {func(w *Writer) { w.Uint(1 << 20) }, func(r *Reader) { _ = r.String() }, "elements"},
		"nothing":            {func(*Writer) {}, func(r *Reader) { r.Section("end"); r.Uint() }, "no number"},
		"a number, no end":   {func(w *Writer) { w.buf = append(w.buf, bytes.Repeat([]byte{0x80}, 11)...) }, func(r *Reader) { r.Uint() }, "no number"},
		"a number, too long": {func(w *Writer) { w.buf = append(w.buf, 0x81, 0) }, func(r *Reader) { r.Int() }, "more bytes"},
		"an owner's refusal": {func(w *Writer) { w.Uint(7) }, func(r *Reader) { r.Fail("no %d", r.Uint()) }, "no 7"},
		"something is left":  {func(w *Writer) { w.String("more") }, func(*Reader) {}, "should begin"},
		"… behind the end":   {func(w *Writer) { w.Section("end"); w.Uint(7) }, func(*Reader) {}, "left"},
	} {
		t.Run(name, func(t *testing.T) {
			r := reader(t, func(w *Writer) { w.Section("first"); tt.write(w) })
			r.Section("first")
			tt.read(r)
			if r.Err() == nil {
				_ = r.Close()
			}
			first := r.Err()
			if first == nil || !strings.Contains(first.Error(), tt.want) || !strings.Contains(first.Error(), "section first") && !strings.Contains(first.Error(), "section end") {
				t.Fatal(first)
			}
			r.Section("more")
			r.Fail("again")
			if r.Uint() != 0 || r.Int() != 0 || r.Bool() || r.Count(9) != 0 || len(r.Bytes()) != 0 || r.String() != "" || r.UpTo(9) != 0 {
				t.Error("something was read behind the error")
			}
			if r.Err() != first || r.Close() != first {
				t.Error("another error:", r.Err())
			}
		})
	}
}

func TestBytesArePartOfTheStateAndStringsAreNot(t *testing.T) {
	b := written(t, func(w *Writer) { w.String("secret"); w.String("name") })
	r, err := NewReader(b)
	if err != nil {
		t.Fatal(err)
	}
	secret, name := r.Bytes(), r.String()
	if cap(secret) != len(secret) {
		t.Error("who appends to them overwrites the state")
	}
	clear(b)
	if string(secret) != "\x00\x00\x00\x00\x00\x00" || name != "name" {
		t.Errorf("%q, %q", secret, name)
	}
}

// full takes so many bytes.
type full int

var errFull = errors.New("full")

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), int(*f))
	if *f -= full(n); n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestErrorOfAWriteIsToldAtTheEnd(t *testing.T) {
	for _, room := range []full{0, bufferSize, 3*bufferSize - 1, 3*bufferSize + 10} {
		w := NewWriter(&room)
		w.Bytes(make([]byte, 3*bufferSize))
		if err := w.Close(); !errors.Is(err, errFull) {
			t.Errorf("%d bytes are left: %v", room, err)
		}
	}
}

func TestWriterKeepsNoSecrets(t *testing.T) {
	w := NewWriter(io.Discard)
	b := w.buf[:cap(w.buf)]
	w.String("secret")
	if err := w.Close(); err != nil || !bytes.Equal(b, make([]byte, len(b))) {
		t.Errorf("%v; %.40q is left", err, b)
	}
}

func BenchmarkWriteAndRead(b *testing.B) {
	p := make([]byte, 100)
	const values = 100_000
	var to bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		to.Reset()
		w := NewWriter(&to)
		for n := range uint64(values) {
			w.Uint(n)
			w.Bytes(p)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		r, err := NewReader(to.Bytes())
		if err != nil {
			b.Fatal(err)
		}
		for range values {
			r.Uint()
			r.Bytes()
		}
		if err := r.Close(); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(to.Len()))
	}
}

// What a state says of itself may be anything: a Reader panics at nothing, and what it
// gives is never larger than what it was given.
func FuzzReader(f *testing.F) {
	fuzzcorpus.Add(f)
	good := written(f, func(w *Writer) {
		w.Section("a")
		w.Uint(300)
		w.Int(-5)
		w.Bool(true)
		w.Bytes([]byte("bytes"))
		w.String("text")
	})
	body := good[len(magic)+1 : len(good)-trailerSize]
	f.Add(body, []byte("suibyt"))
	f.Add(body, []byte("scccc"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []byte("y"))
	f.Add(good, []byte{})
	f.Fuzz(func(t *testing.T, body, calls []byte) {
		if _, err := NewReader(body); err == nil && !bytes.HasPrefix(body, []byte(magic)) {
			t.Fatal("anything is read")
		}
		r, err := NewReader(seal(Version, body))
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		w := NewWriter(&again)
		for i, call := range calls {
			left := len(r.rest)
			switch call {
			case 's':
				name := "a"
				r.Section(name)
				w.Section(name)
			case 'u':
				w.Uint(r.Uint())
			case 'i':
				w.Int(r.Int())
			case 'b':
				w.Bool(r.Bool())
			case 'y':
				w.Bytes(r.Bytes())
			case 't':
				w.String(r.String())
			case 'c':
				n := r.Count(100)
				if n > 100 || n > left {
					t.Fatalf("%d elements in %d bytes", n, left)
				}
				w.Uint(uint64(n))
			default:
				w.Uint(r.UpTo(uint64(call)))
			}
			if r.err == nil && len(r.rest) >= left {
				t.Fatalf("call %d: nothing was read", i)
			}
		}
		if r.err != nil {
			return
		}
		// What was read is written as it was.
		want := body[:len(body)-len(r.rest)]
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := again.Bytes()[len(magic)+1:]; !bytes.HasPrefix(got, want) {
			t.Fatalf("%q was read, and is written %q", want, got)
		}
	})
}

// What is kept is the reader's own, unless the state stays.
func TestWhatIsKeptOutlivesTheState(t *testing.T) {
	for _, stays := range []bool{false, true} {
		state := written(t, func(w *Writer) { w.String("kept") })
		r, err := NewReader(state)
		if err != nil {
			t.Fatal(err)
		}
		if stays {
			r.Stays()
		}
		b := r.Kept()
		if err := r.Close(); err != nil || string(b) != "kept" {
			t.Fatal(string(b), err)
		}
		clear(state)
		if copied := string(b) == "kept"; copied == stays {
			t.Errorf("the state stays: %t; it was copied: %t", stays, copied)
		}
	}
}
