package sse

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httputil"
	"strings"
	"testing"

	"chatd/room/fuzzcorpus"
)

func TestEventsAreWrittenAsTheStandardSays(t *testing.T) {
	event := End(append(AppendEvent([]byte("id: 7\n"), "say"), "{}"...))
	if got, want := string(event), "id: 7\nevent: say\ndata: {}\n\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := string(Chunk(append([]byte("before"), event...), len("before"))), "before1b\r\n"+string(event)+"\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := string(AppendRetry(nil, 1500)), "retry: 1500\n\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAppendingAnEventAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { b = Chunk(End(append(AppendEvent(b[:0], "say"), "{}"...)), 0) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzEvents: events of one line of data each, one after the other, are found again,
// and the chunks are what another program makes of them.
func FuzzEvents(f *testing.F) {
	fuzzcorpus.Add(f)
	for _, data := range []string{"", "{}\n{}", strings.Repeat("x", 300) + "\na\n" + strings.Repeat("y", 70_000), "0\r\r\r", "\xff"} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, all string) {
		var chunks, bare []byte
		lines := strings.Split(all, "\n")
		for i, data := range lines {
			at := len(chunks)
			b := append(AppendEvent(fmt.Appendf(nil, "id: %d\n", i), "say"), data...)
			bare = End(append(bare, b...))
			chunks = Chunk(End(append(chunks, b...)), at)
		}
		for range lines {
			n, k := Len(chunks), Len(bare)
			got, err := io.ReadAll(httputil.NewChunkedReader(io.MultiReader(bytes.NewReader(chunks[:n]), strings.NewReader(LastChunk))))
			if err != nil || !bytes.Equal(got, bare[:k]) || !bytes.HasSuffix(got, []byte(end)) {
				t.Fatalf("chunk %q, event %q, %v", chunks[:n], bare[:k], err)
			}
			chunks, bare = chunks[n:], bare[k:]
		}
		if len(chunks)+len(bare) > 0 {
			t.Fatalf("%q, %q left over", chunks, bare)
		}
	})
}
