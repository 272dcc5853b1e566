package frame

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

func TestWholeFramesCostNoAllocation(t *testing.T) {
	frames := map[string][]byte{
		"text":      client(ws.OpText, true, strings.Repeat("é", 64)),
		"binary":    client(ws.OpBinary, true, strings.Repeat("x", 4096)),
		"ping":      client(ws.OpPing, true, "are you there"),
		"close":     client(ws.OpClose, true, "\x03\xe8bye"),
		"pipelined": bytes.Repeat(client(ws.OpText, true, "hello"), 16),
		"violation": []byte("\x83\x80"),
	}
	for name, f := range frames {
		b := make([]byte, len(f))
		var d Decoder
		if n := testing.AllocsPerRun(100, func() {
			copy(b, f)
			for rest := b; len(rest) > 0; {
				_, n, ok, err := d.Next(rest, plain)
				if err != nil {
					break
				}
				if !ok {
					t.Fatal(name, n)
				}
				rest = rest[n:]
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestEncodingIntoEnoughMemoryCostsNoAllocation(t *testing.T) {
	dst, payload, reason := make([]byte, 0, 1024), make([]byte, 300), strings.Repeat("x", 200)
	if n := testing.AllocsPerRun(100, func() {
		AppendMessage(dst, ws.OpText, payload)
		AppendPong(dst, payload[:5])
		AppendClose(dst, ws.StatusGoingAway, reason)
		AppendCloseReply(dst, payload[:2])
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, size := range []int{16, 128, 4096} {
		b.Run("bytes="+strconv.Itoa(size), func(b *testing.B) {
			f := client(ws.OpBinary, true, strings.Repeat("x", size))
			var d Decoder
			b.SetBytes(int64(len(f)))
			b.ReportAllocs()
			for b.Loop() {
				if _, n, _, _ := d.Next(f, plain); n != len(f) {
					b.Fatal(n)
				}
			}
		})
	}
}

// One op is a frame; 64 KiB of them come at once.
func BenchmarkNextPipelined(b *testing.B) {
	f := client(ws.OpBinary, true, strings.Repeat("x", 128))
	stream := bytes.Repeat(f, 64<<10/len(f))
	var d Decoder
	b.SetBytes(int64(len(f)))
	b.ReportAllocs()
	rest := stream
	for b.Loop() {
		_, n, ok, _ := d.Next(rest, plain)
		if !ok {
			b.Fatal(n)
		}
		if rest = rest[n:]; len(rest) == 0 {
			rest = stream
		}
	}
}

// One op is a text message of 4 KiB in 16 fragments.
func BenchmarkNextFragments(b *testing.B) {
	text := strings.Repeat("aé€😀", 25) + "123456"
	stream := client(ws.OpText, false, text)
	for i := range 15 {
		stream = append(stream, client(ws.OpContinuation, i == 14, text)...)
	}
	work := make([]byte, len(stream))
	var d Decoder
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		copy(work, stream) // text is checked, so it must be masked anew
		if _, n, ok, err := d.Next(work, plain); n != len(work) || !ok {
			b.Fatal(n, err)
		}
	}
}

var length int

// One op is a frame of a log that is walked.
func BenchmarkLen(b *testing.B) {
	log := bytes.Repeat(AppendMessage(nil, ws.OpText, make([]byte, 128)), 512)
	rest := log
	for b.Loop() {
		length = Len(rest)
		if rest = rest[length:]; len(rest) == 0 {
			rest = log
		}
	}
}
