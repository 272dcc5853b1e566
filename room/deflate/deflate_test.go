package deflate

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"chatd/room/fuzzcorpus"
)

// unpack is what another implementation makes of a compressed message.
func unpack(t testing.TB, b []byte) []byte {
	t.Helper()
	got, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(b), strings.NewReader(ending))))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	noise := make([]byte, 70000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	for _, size := range []int{0, 1, 127, 128, 1000, 65535, 65536, 70000} {
		for name, message := range map[string][]byte{
			"words": []byte(strings.Repeat("so it goes, ", size/12+1)[:size]),
			"noise": noise[:size],
		} {
			b, shorter := Append([]byte("before"), message)
			if !bytes.HasPrefix(b, []byte("before")) {
				t.Fatal("what came before was changed")
			}
			if name == "words" && size >= MinSize && !shorter || name == "noise" && shorter {
				t.Errorf("%s of %d bytes: shorter is %v", name, size, shorter)
			}
			if !shorter {
				if len(b) != len("before") {
					t.Errorf("%s of %d bytes: not shorter, but appended", name, size)
				}
				continue
			}
			b = b[len("before"):]
			if got := unpack(t, b); !bytes.Equal(got, message) {
				t.Errorf("%s of %d bytes: another implementation reads something else", name, size)
			}
			if got, err := Inflate(nil, b, size); err != nil || !bytes.Equal(got, message) {
				t.Errorf("%s of %d bytes: %v", name, size, err)
			}
		}
	}
}

func TestExamplesOfTheRFCAreInflated(t *testing.T) {
	for _, tt := range []struct{ rule, payload, message string }{
		{"§7.2.3.1 one block", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"§7.2.3.3 a block without compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		{"§7.2.3.4 a last block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"§7.2.3.4 a last block, and nothing more", "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"§7.2.3.4 a last block, and data behind it", "\xf3\x48\x05\x00\xca\xc9\xc9\x07\x00", "Hello"},
		{"§7.2.3.5 two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"§7.2.3.6 empty", "\x00", ""},
	} {
		if got, err := Inflate([]byte(">"), []byte(tt.payload), 5); err != nil || string(got) != ">"+tt.message {
			t.Errorf("%s: %q, %v", tt.rule, got, err)
		}
	}
}

func TestBombsStopAtTheLimit(t *testing.T) {
	bomb, _ := Append(nil, make([]byte, 10<<20))
	const limit = 64 << 10
	got, err := Inflate(nil, bomb, limit)
	if !errors.Is(err, ErrTooBig) || cap(got) > 2*limit {
		t.Fatalf("%v, %d bytes of memory", err, cap(got))
	}
	exact, _ := Append(nil, make([]byte, limit))
	if got, err := Inflate(nil, exact, limit); err != nil || len(got) != limit {
		t.Fatalf("exactly the limit: %d bytes, %v", len(got), err)
	}
	if _, err := Inflate(nil, exact, limit-1); !errors.Is(err, ErrTooBig) {
		t.Fatal("one byte more than the limit:", err)
	}
}

func TestWhatIsNotValidIsRefused(t *testing.T) {
	whole, _ := Append(nil, []byte(strings.Repeat("so it goes, ", 100)))
	for name, payload := range map[string]string{
		"no block at all":       "",
		"reserved block type":   "\x07",
		"invalid distance":      "\xed\xc61\r\x00 \f\x04@+/\x00[!0u(\xfe\x83\x8c.\xb7\xe5VVV%",
		"cut off":               string(whole[:len(whole)/2]),
		"distance into naught":  "\x03\x02\x00",
		"wrong stored length":   "\x00\x05\x00\xfa\xfeHello",
		"last blocks, then bad": strings.Repeat("\x03\x00", 100) + "\x07",
	} {
		if got, err := Inflate(nil, []byte(payload), 1000); !errors.Is(err, ErrBad) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// lastBlocks are n streams that each end with a last block (RFC 7692
// §7.2.3.4), and say "Hello".
func lastBlocks(n int) []byte { return bytes.Repeat([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00"), n) }

func TestNothingIsLostBehindLastBlocks(t *testing.T) {
	for _, n := range []int{1, 2, 7, 8, 9, 100, 10000} {
		want := strings.Repeat("Hello", n)
		for _, end := range []string{"", "\x00", "\x03\x00\x00"} {
			if got, err := Inflate(nil, append(lastBlocks(n), end...), len(want)); err != nil || string(got) != want {
				t.Errorf("%d streams and %q: %d bytes, %v", n, end, len(got), err)
			}
		}
		if _, err := Inflate(nil, lastBlocks(n), len(want)-1); !errors.Is(err, ErrTooBig) {
			t.Errorf("%d streams, one byte more than the limit: %v", n, err)
		}
	}
}

// Whatever is inflated stays within the limit, and is what another
// implementation makes of it, where that reads it as one stream.
func FuzzInflate(f *testing.F) {
	fuzzcorpus.Add(f)
	for _, s := range []string{"\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "", "\x07", "\x03\x00\x03\x00", string(lastBlocks(9))} {
		f.Add([]byte(s))
	}
	long, _ := Append(nil, []byte(strings.Repeat("so it goes, ", 1000)))
	f.Add(long)
	f.Fuzz(func(t *testing.T, payload []byte) {
		const limit = 4096
		got, err := Inflate([]byte(">"), payload, limit)
		if len(got) > 1+limit && err == nil {
			t.Fatalf("%d bytes", len(got))
		}
		if err != nil {
			return
		}
		other, failed := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(payload), strings.NewReader(ending))))
		if failed != nil || !bytes.HasPrefix(got[1:], other) {
			t.Fatalf("%q, another implementation: %q, %v", got, other, failed)
		}
	})
}

// FuzzAppend: what is compressed is shorter, and comes back as it was.
func FuzzAppend(f *testing.F) {
	fuzzcorpus.Add(f)
	f.Add([]byte(strings.Repeat("so it goes, ", 30)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		b, ok := Append(nil, message)
		if !ok {
			return
		}
		if len(b) >= len(message) {
			t.Fatalf("%d bytes of %d", len(b), len(message))
		}
		if got := unpack(t, b); !bytes.Equal(got, message) {
			t.Fatal("another implementation reads something else")
		}
		if got, err := Inflate(nil, b, len(message)); err != nil || !bytes.Equal(got, message) {
			t.Fatal(err)
		}
	})
}

func chatter(size int) []byte {
	const words = `{"room":"lobby","from":"ada","at":1795435200,"text":"so it goes, and goes on","likes":[3,14,15,92],"seen":true} `
	return []byte(strings.Repeat(words, size/len(words)+1)[:size])
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{128, 512, 4096, 65536} {
		b.Run(byteSize(size), func(b *testing.B) {
			message, out := chatter(size), make([]byte, 0, 2*size)
			var n int
			b.ReportAllocs()
			for b.Loop() {
				z, _ := Append(out, message)
				n = len(z)
			}
			b.ReportMetric(float64(n)/float64(size), "ratio")
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, size := range []int{128, 512, 4096, 65536} {
		b.Run(byteSize(size), func(b *testing.B) {
			z, _ := Append(nil, chatter(size))
			out := make([]byte, 0, 2*size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Inflate(out, z, size); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHostile is what costs most by the byte that comes.
func BenchmarkHostile(b *testing.B) {
	const codes = "\x04\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x10\x00\x07\x02\x00\x00\x00\x00\x40\xfe\xaf\x41\x00\x1c\x08\x00\x00\x00\x00\x00\xf9\xbf\x06\x01\x70\x20\x00\x00\x00\x00\x00\xe4\xff\x1a" // 4 empty blocks, each with codes of its own
	for name, part := range map[string]string{"codes": codes, "streams": "\x03\x00"} {
		b.Run(name, func(b *testing.B) {
			payload := append(bytes.Repeat([]byte(part), 64<<10/len(part)), 0)
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if _, err := Inflate(nil, payload, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func byteSize(n int) string {
	return map[int]string{128: "128 bytes", 512: "512 bytes", 4096: "4 KiB", 65536: "64 KiB"}[n]
}
