package static

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func TestCodingIsTheOneThatTheRequestLikesBest(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", strings.Repeat("<p>a page that is worth it", 100))
	for kind, h := range map[string]http.Handler{"embedded": newHandler(t, ""), "disk": newHandler(t, dir)} {
		plain := body(t, ask(t, h, "GET", "/"))
		for accept, want := range map[string]string{
			"":                                "",
			"gzip, deflate, br, zstd":         "br",
			"gzip, deflate":                   "gzip",
			"br":                              "br",
			"BR;Q=0.5, GZIP;q=0.4":            "br",
			"br;q=0.5, gzip;q=0.8":            "gzip",
			"br;q=0, gzip":                    "gzip",
			"br;q=0, *":                       "gzip",
			"*":                               "br",
			"*;q=0.5, br;q=0.1":               "gzip",
			"x-gzip":                          "gzip",
			"identity":                        "",
			"identity, br;q=0.9":              "",
			"br;q=0.001":                      "br",
			"br;q=0":                          "",
			"deflate, zstd":                   "",
			"gzip;q=nonsense":                 "",
			"gzip;q=2":                        "",
			"gzip;level=1;q=1 , ,br ; q=0.2":  "gzip",
			"identity;q=0":                    "406",
			"*;q=0":                           "406",
			"*;q=0, gzip;q=0.1":               "gzip",
			"*;q=0, identity":                 "",
			"identity;q=0, br;q=0, gzip;q=.1": "gzip",
		} {
			response := ask(t, h, "GET", "/", "Accept-Encoding", accept)
			if response.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s, %q: Vary %q", kind, accept, response.Header.Get("Vary"))
			}
			if want == "406" {
				if response.StatusCode != http.StatusNotAcceptable || response.Header.Get("ETag") != "" {
					t.Errorf("%s, %q: %s, %v", kind, accept, response.Status, response.Header)
				}
				continue
			}
			got := response.Header.Get("Content-Encoding")
			if got != want || response.StatusCode != http.StatusOK {
				t.Errorf("%s, %q: %s, Content-Encoding %q, want %q", kind, accept, response.Status, got, want)
			}
			if length := response.ContentLength; length >= int64(len(plain)) && want != "" {
				t.Errorf("%s, %q: %d bytes of %d", kind, accept, length, len(plain))
			}
			if text := decode(t, response); text != plain {
				t.Errorf("%s, %q: %d bytes decoded, want %d", kind, accept, len(text), len(plain))
			}
		}
		// Accept-Encoding may come in several lines.
		r, _ := http.NewRequest("GET", "/", nil)
		r.Header["Accept-Encoding"] = []string{"br;q=0", "gzip"}
		if response := send(h, r); response.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("%s, two fields: %v", kind, response.Header)
		}
	}
}

// decode is a response's body without its content coding.
func decode(t *testing.T, response *http.Response) string {
	t.Helper()
	var r io.Reader = response.Body
	switch response.Header.Get("Content-Encoding") {
	case "br":
		r = brotli.NewReader(r)
	case "gzip":
		var err error
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEachCodingHasItsEntityTag(t *testing.T) {
	h := newHandler(t, "")
	tags := make(map[string]string)
	for _, coding := range []string{"identity", "gzip", "br"} {
		etag := ask(t, h, "GET", "/", "Accept-Encoding", coding).Header.Get("ETag")
		if other, ok := tags[etag]; ok || etag == "" {
			t.Errorf("%s and %s have the ETag %q", coding, other, etag)
		}
		tags[etag] = coding
	}
	for etag, cached := range tags {
		for _, coding := range tags {
			want := http.StatusOK
			if coding == cached {
				want = http.StatusNotModified
			}
			response := ask(t, h, "GET", "/", "Accept-Encoding", coding, "If-None-Match", etag)
			if response.StatusCode != want || response.Header.Get("Vary") == "" {
				t.Errorf("%s cached, %s asked for: %s, Vary %q", cached, coding, response.Status, response.Header.Get("Vary"))
			}
			if want == http.StatusOK && response.ContentLength <= 0 {
				t.Errorf("%s cached, %s asked for: Content-Length %d", cached, coding, response.ContentLength)
			}
		}
	}
}

func TestPartsAreThoseOfTheCoding(t *testing.T) {
	h := newHandler(t, "")
	for _, coding := range []string{"identity", "br"} {
		whole := body(t, ask(t, h, "GET", "/chat.js", "Accept-Encoding", coding))
		response := ask(t, h, "GET", "/chat.js", "Accept-Encoding", coding, "Range", "bytes=10-19")
		if got := body(t, response); response.StatusCode != http.StatusPartialContent || got != whole[10:20] {
			t.Errorf("%s: %s %q", coding, response.Status, got)
		}
		response = ask(t, h, "GET", "/chat.js", "Accept-Encoding", coding, "Range", "bytes=10-19", "If-Range", `"another"`)
		if got := body(t, response); response.StatusCode != http.StatusOK || got != whole {
			t.Errorf("%s, another version: %s, %d bytes", coding, response.Status, len(got))
		}
	}
}

func TestHeadHasTheFieldsOfGet(t *testing.T) {
	h := newHandler(t, "")
	get, head := ask(t, h, "GET", "/", "Accept-Encoding", "br"), ask(t, h, "HEAD", "/", "Accept-Encoding", "br")
	for field := range get.Header {
		if get.Header.Get(field) != head.Header.Get(field) {
			t.Errorf("%s: %q, with HEAD %q", field, get.Header.Get(field), head.Header.Get(field))
		}
	}
}

func TestFileThatIsCompressedAlreadyIsServedAsItIs(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", "x")
	write(t, dir, "picture.png", strings.Repeat("picture", 1000))
	for _, path := range []string{"/picture.png", "/"} { // the other one is too short
		response := ask(t, newHandler(t, dir), "GET", path, "Accept-Encoding", "br, gzip")
		if response.Header.Get("Content-Encoding") != "" || response.Header.Get("Vary") != "" {
			t.Errorf("%s: %v", path, response.Header)
		}
	}
}
