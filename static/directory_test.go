package static

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreThoseThatAreThereAtTheRequest(t *testing.T) {
	when := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) // of every file
	build := func(t *testing.T, dir, text string) {
		t.Helper()
		write(t, dir, "index.html", text)
		must(t, os.Chtimes(filepath.Join(dir, "index.html"), when, when))
	}
	link := func(t *testing.T, to, name string) {
		t.Helper()
		must(t, os.Symlink(to, name+".new"))
		must(t, os.Rename(name+".new", name))
	}
	for name, tt := range map[string]struct {
		first, then func(t *testing.T, dir string)
	}{
		"written anew": {
			func(t *testing.T, dir string) { build(t, dir+"/assets", "one") },
			func(t *testing.T, dir string) { build(t, dir+"/assets", "two") },
		},
		"renamed into place": {
			func(t *testing.T, dir string) { build(t, dir+"/assets", "one") },
			func(t *testing.T, dir string) {
				build(t, dir+"/other", "two")
				must(t, os.Rename(dir+"/other/index.html", dir+"/assets/index.html"))
			},
		},
		"the directory made anew": {
			func(t *testing.T, dir string) { build(t, dir+"/assets", "one") },
			func(t *testing.T, dir string) {
				must(t, os.RemoveAll(dir+"/assets"))
				build(t, dir+"/assets", "two")
			},
		},
		"the directory replaced": {
			func(t *testing.T, dir string) { build(t, dir+"/assets", "one") },
			func(t *testing.T, dir string) {
				build(t, dir+"/next", "two")
				must(t, os.Rename(dir+"/assets", dir+"/last"))
				must(t, os.Rename(dir+"/next", dir+"/assets"))
			},
		},
		"a link to the directory switched": {
			func(t *testing.T, dir string) {
				build(t, dir+"/r1", "one")
				build(t, dir+"/r2", "two")
				link(t, "r1", dir+"/assets")
			},
			func(t *testing.T, dir string) { link(t, "r2", dir+"/assets") },
		},
		"a parent of the directory replaced": {
			func(t *testing.T, dir string) {
				build(t, dir+"/r1/assets", "one")
				build(t, dir+"/r2/assets", "two")
				link(t, "r1/assets", dir+"/assets")
			},
			func(t *testing.T, dir string) {
				must(t, os.RemoveAll(dir+"/r1"))
				must(t, os.Rename(dir+"/r2", dir+"/r1"))
			},
		},
		"a link within switched, as a mounted ConfigMap's": {
			func(t *testing.T, dir string) {
				build(t, dir+"/assets/..1", "one")
				build(t, dir+"/assets/..2", "two")
				link(t, "..1", dir+"/assets/..data")
				link(t, "..data/index.html", dir+"/assets/index.html")
			},
			func(t *testing.T, dir string) { link(t, "..2", dir+"/assets/..data") },
		},
		"written through a file that is open": {
			func(t *testing.T, dir string) { build(t, dir+"/assets", "one") },
			func(t *testing.T, dir string) {
				file, err := os.OpenFile(dir+"/assets/index.html", os.O_WRONLY, 0)
				must(t, err)
				defer file.Close()
				_, err = file.WriteAt([]byte("two"), 0)
				must(t, err)
				must(t, os.Chtimes(file.Name(), when, when))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tt.first(t, dir)
			h := newHandler(t, dir+"/assets")
			before := ask(t, h, "GET", "/")
			if got := body(t, before); got != "one" {
				t.Fatalf("at first %q", got)
			}
			tt.then(t, dir)
			after := ask(t, h, "GET", "/", "If-None-Match", before.Header.Get("ETag"))
			if got := body(t, after); got != "two" || after.StatusCode != http.StatusOK {
				t.Errorf("then %s, %q", after.Status, got)
			}
			if after.Header.Get("ETag") == before.Header.Get("ETag") || after.Header.Get("Last-Modified") != "" {
				t.Errorf("then ETag %q, Last-Modified %q", after.Header.Get("ETag"), after.Header.Get("Last-Modified"))
			}
			since := ask(t, h, "GET", "/", "If-Modified-Since", when.Add(time.Hour).Format(http.TimeFormat))
			if since.StatusCode != http.StatusOK {
				t.Errorf("for one that has only a time: %s", since.Status)
			}
		})
	}
}

func TestDirectoryThatIsAwayForAWhile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "assets")
	write(t, dir, "index.html", "one")
	h := newHandler(t, dir)
	must(t, os.RemoveAll(dir))
	if response := ask(t, h, "GET", "/"); response.StatusCode != http.StatusNotFound {
		t.Errorf("while it is away: %s", response.Status)
	}
	write(t, dir, "index.html", "two")
	if got := body(t, ask(t, h, "GET", "/")); got != "two" {
		t.Errorf("when it is back: %q", got)
	}
}

func TestLargeFileIsServedWholeAndInParts(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", "x")
	text := strings.Repeat("0123456789abcdef", holdMost/16+1)
	write(t, dir, "large.txt", text)
	h := newHandler(t, dir)
	whole := ask(t, h, "GET", "/large.txt", "Accept-Encoding", "br")
	etag := whole.Header.Get("ETag")
	if body(t, whole) != text || whole.ContentLength != int64(len(text)) || whole.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s %v", whole.Status, whole.Header)
	}
	part := ask(t, h, "GET", "/large.txt", "Range", "bytes=-4", "If-Range", etag)
	if got := body(t, part); part.StatusCode != http.StatusPartialContent || got != "cdef" {
		t.Errorf("%s %q", part.Status, got)
	}
	write(t, dir, "large.txt", "x"+text[1:])
	if again := ask(t, h, "GET", "/large.txt", "If-None-Match", etag); again.StatusCode != http.StatusOK || again.Header.Get("ETag") == etag {
		t.Errorf("changed: %s, ETag %s", again.Status, again.Header.Get("ETag"))
	}
}

func TestCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", "x")
	h := newHandler(t, dir)
	cache := h.(*handler).files.(*directory)
	for i := range 30 {
		write(t, dir, "a.txt", strings.Repeat(string(rune('a'+i)), holdMost))
		ask(t, h, "GET", "/a.txt")
		held := 0
		for _, c := range cache.cache {
			for _, coding := range c.codings {
				held += len(coding.body)
			}
		}
		if held > cacheMost || held != cache.held {
			t.Fatalf("%d bytes held, %d counted, at most %d", held, cache.held, cacheMost)
		}
	}
}

func TestPipeIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", "x")
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	if response := ask(t, newHandler(t, dir), "GET", "/pipe"); response.StatusCode != http.StatusNotFound {
		t.Errorf("%s", response.Status)
	}
}

// One who writes and those who read: each answer is one version, with its own tag.
func TestEntityTagIsThatOfTheBytes(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", "x")
	h := newHandler(t, dir)
	var tags sync.Map
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				response := ask(t, h, "GET", "/")
				text, etag := body(t, response), response.Header.Get("ETag")
				if was, ok := tags.LoadOrStore(etag, text); ok && was != text {
					t.Errorf("%q and %q have the ETag %s", was, text, etag)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 500 {
		name := filepath.Join(dir, "index.html")
		must(t, os.WriteFile(name+"~", []byte{byte('a' + i%26)}, 0o644))
		must(t, os.Rename(name+"~", name))
	}
	close(done)
	readers.Wait()
}
