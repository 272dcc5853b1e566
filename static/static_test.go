package static

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
)

// ask sends h one request, with the header fields "Name", "value", ...
func ask(t *testing.T, h http.Handler, method, path string, fields ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return send(h, r)
}

func send(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, response *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// someFacts are those of a server without rates.
var someFacts = Facts{MaxMessage: 65536}

func newHandler(t *testing.T, assets string) http.Handler {
	t.Helper()
	h, err := Handler(assets, someFacts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// write writes a file below dir, with its directories.
func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFileOfThePageIsServedWithItsType(t *testing.T) {
	h := newHandler(t, "")
	for path, want := range map[string]string{
		"/":            "text/html; charset=utf-8",
		"/index.html":  "text/html; charset=utf-8",
		"/chat.css":    "text/css; charset=utf-8",
		"/chat.js":     "text/javascript; charset=utf-8",
		"/favicon.svg": "image/svg+xml",
		"/status.json": "application/json",

		"/chat.v1.schema.json": "application/json",
		"/openapi.yaml":        "application/yaml",
	} {
		response := ask(t, h, "GET", path)
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: %s, Content-Type %q, want %q", path, response.Status, got, want)
		}
		if body(t, response) == "" {
			t.Errorf("%s is empty", path)
		}
	}
}

// A proxy may serve the page below any path.
func TestThePageRefersToFilesBesideItself(t *testing.T) {
	h := newHandler(t, "")
	references := regexp.MustCompile(`(?:href|src)="([^"]*)"|from '\./([^']*)'`)
	for _, path := range []string{"/", "/chat.js", "/client.js"} {
		found := references.FindAllStringSubmatch(body(t, ask(t, h, "GET", path)), -1)
		if len(found) == 0 {
			t.Errorf("%s refers to nothing", path)
		}
		for _, reference := range found {
			name := reference[1] + reference[2]
			if name == "./" { // the base
				continue
			}
			if response := ask(t, h, "GET", "/"+name); name == "" || strings.HasPrefix(name, "/") || response.StatusCode != http.StatusOK {
				t.Errorf("%s refers to %q: %s", path, name, response.Status)
			}
		}
	}
}

// Or they would be asked for one after the other.
func TestPageLoadsAllItsModulesAtOnce(t *testing.T) {
	h := newHandler(t, "")
	page := body(t, ask(t, h, "GET", "/"))
	files, err := filepath.Glob("*.js")
	must(t, err)
	imports := regexp.MustCompile(`(?m)^import .* from '\./(.*)';$`)
	for _, file := range files {
		for _, module := range imports.FindAllStringSubmatch(body(t, ask(t, h, "GET", "/"+file)), -1) {
			if !strings.Contains(page, `<link rel="modulepreload" href="`+module[1]+`">`) {
				t.Errorf("the page does not name %s, which %s needs", module[1], file)
			}
		}
	}
}

func TestPageOfARoomIsTheSameOneFloorDown(t *testing.T) {
	for _, assets := range []string{"", "."} {
		h := newHandler(t, assets)
		want := strings.Replace(body(t, ask(t, h, "GET", "/")), `<base href="./">`, `<base href="../">`, 1)
		for _, path := range []string{"/r/room", "/r/chat.js", "/r/index.html"} {
			response := ask(t, h, "GET", path)
			if got := body(t, response); got != want || !strings.Contains(got, `"../"`) {
				t.Errorf("%s of %q: %s, not the page", path, assets, response.Status)
			}
			if response.Header.Get("ETag") == ask(t, h, "GET", "/").Header.Get("ETag") {
				t.Error("the two pages have one entity tag")
			}
		}
	}
}

func TestEmbeddedAndDiskFilesAreTheSame(t *testing.T) {
	embedded, disk := newHandler(t, ""), newHandler(t, ".")
	for _, path := range []string{"/", "/chat.css", "/chat.js", "/outbox.js", "/favicon.svg"} {
		if body(t, ask(t, embedded, "GET", path)) != body(t, ask(t, disk, "GET", path)) {
			t.Errorf("%s differs", path)
		}
	}
}

func TestEverythingElseIsNotFound(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"page/index.html", "page/.hidden", "page/.git/config", "page/sub/file.txt", "secret"} {
		write(t, dir, name, name)
	}
	if err := os.Symlink("../secret", filepath.Join(dir, "page", "link")); err != nil {
		t.Fatal(err)
	}
	disk := newHandler(t, filepath.Join(dir, "page"))
	for path, h := range map[string]http.Handler{
		"/static.go":        newHandler(t, ""),
		"/chat.css/":        newHandler(t, ""),
		"//chat.css":        newHandler(t, ""),
		"/nothing":          disk,
		"/.hidden":          disk,
		"/.git/config":      disk,
		"/sub":              disk,
		"/sub/":             disk,
		"/../secret":        disk,
		"/%2e%2e/secret":    disk,
		"/sub/../../secret": disk,
		"/link":             disk,
		"/index.html%00":    disk,
	} {
		if response := ask(t, h, "GET", path); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, response.Status)
		}
	}
	if response := ask(t, disk, "GET", "/sub/file.txt"); response.StatusCode != http.StatusOK {
		t.Errorf("a file in a folder: %s", response.Status)
	}
}

func TestOnlyGETAndHEADAreAllowed(t *testing.T) {
	h := newHandler(t, "")
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"} {
		response := ask(t, h, method, "/")
		if response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
			t.Errorf("%s: %s, Allow %q", method, response.Status, response.Header.Get("Allow"))
		}
	}
	response := ask(t, h, "HEAD", "/")
	if response.StatusCode != http.StatusOK || response.ContentLength == 0 || body(t, response) != "" {
		t.Errorf("HEAD: %s, Content-Length %d", response.Status, response.ContentLength)
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	h := newHandler(t, "")
	etag := ask(t, h, "GET", "/").Header.Get("ETag")
	for name, response := range map[string]*http.Response{
		"200": ask(t, h, "GET", "/chat.js"),
		"304": ask(t, h, "GET", "/", "If-None-Match", etag),
		"404": ask(t, h, "GET", "/nothing"),
		"405": ask(t, h, "POST", "/"),
	} {
		if !strings.HasPrefix(response.Status, name) {
			t.Errorf("%s instead of %s", response.Status, name)
		}
		for field, want := range map[string]string{
			"Content-Security-Policy": policy,
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"Cache-Control":           "no-cache",
		} {
			if got := response.Header.Get(field); got != want {
				t.Errorf("%s: %s %q, want %q", name, field, got, want)
			}
		}
	}
}

func TestAnySiteMayImportTheScriptsAndNothingElse(t *testing.T) {
	for _, assets := range []string{"", "."} {
		h := newHandler(t, assets)
		for path, want := range map[string]string{
			"/client.js": "*", "/chat.js": "*", "/status.json": "*",
			"/": "", "/index.html": "", "/chat.css": "", "/r/chat.js": "", "/favicon.svg": "",
		} {
			if got := ask(t, h, "GET", path).Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s of %q: Access-Control-Allow-Origin %q, want %q", path, assets, got, want)
			}
		}
	}
}

func TestAnUnchangedFileIsNotSentAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", "<p>one")
	for name, h := range map[string]http.Handler{"embedded": newHandler(t, ""), "disk": newHandler(t, dir)} {
		etag := ask(t, h, "GET", "/").Header.Get("ETag")
		if len(etag) < 10 {
			t.Fatalf("%s: ETag %q", name, etag)
		}
		response := ask(t, h, "GET", "/", "If-None-Match", etag)
		if response.StatusCode != http.StatusNotModified || body(t, response) != "" || response.Header.Get("ETag") != etag {
			t.Errorf("%s: %s, ETag %q", name, response.Status, response.Header.Get("ETag"))
		}
		if response := ask(t, h, "GET", "/", "If-None-Match", `"another"`); response.StatusCode != http.StatusOK {
			t.Errorf("%s, another ETag: %s", name, response.Status)
		}
	}
}

func TestAChangedFileOnDiskIsSentAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", "<p>one")
	h := newHandler(t, dir)
	etag := ask(t, h, "GET", "/").Header.Get("ETag")
	write(t, dir, "index.html", "<p>two")
	response := ask(t, h, "GET", "/", "If-None-Match", etag)
	if response.StatusCode != http.StatusOK || body(t, response) != "<p>two" {
		t.Errorf("%s", response.Status)
	}
}

func TestADirectoryWithoutThePageIsRefusedInOneLine(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html/file", "")
	for _, assets := range []string{t.TempDir(), dir, filepath.Join(dir, "nothing"), "static.go"} {
		h, err := Handler(assets, someFacts)
		if err == nil || h != nil {
			t.Errorf("%s is taken", assets)
		} else if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "assets directory") {
			t.Errorf("%s: %q", assets, err)
		}
	}
}

// The policy forbids these, so a browser would drop them without a word to the user.
func TestThePageHasNoInlineCodeAndNothingFromElsewhere(t *testing.T) {
	forbidden := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son\w+=|https?://|url\(`)
	for _, path := range []string{"/", "/chat.css"} {
		if found := forbidden.FindString(body(t, ask(t, newHandler(t, ""), "GET", path))); found != "" {
			t.Errorf("%s has %q", path, found)
		}
	}
}

// Over a connection: a body that is announced and does not come breaks it.
func TestAnswersToConditionsLeaveTheConnectionInOrder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", strings.Repeat("<p>", 1000))
	write(t, dir, "large.txt", strings.Repeat("x", holdMost+1))
	s := httptest.NewServer(newHandler(t, dir))
	t.Cleanup(s.Close)
	var connected atomic.Int64
	dialer := &net.Dialer{}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		connected.Add(1)
		return dialer.DialContext(ctx, network, addr)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	for _, path := range []string{"/", "/large.txt"} {
		for _, coding := range []string{"identity", "gzip"} {
			for _, tt := range []struct {
				method, field, value string
				status               int
			}{
				{"GET", "If-Match", `"another"`, 412},
				{"HEAD", "If-Match", `"another"`, 412},
				{"GET", "If-Match", `*`, 200},
				{"GET", "If-None-Match", `*`, 304},
				{"GET", "Range", "bytes=0-9", 206},
				{"GET", "Range", "bytes=99999999-", 416},
				{"GET", "Range", "lines=1-2", 200}, // a unit that nobody knows
				{"HEAD", "Range", "bytes=0-9", 200},
			} {
				r, err := http.NewRequest(tt.method, s.URL+path, nil)
				must(t, err)
				r.Header.Set("Accept-Encoding", coding)
				r.Header.Set(tt.field, tt.value)
				response, err := client.Do(r)
				must(t, err)
				text, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != tt.status || tt.method == "GET" && tt.status != 304 && response.ContentLength != int64(len(text)) {
					t.Errorf("%s %s, %s: %s: %s, %d of %d bytes, %v", tt.method, path, tt.field, tt.value, response.Status, len(text), response.ContentLength, err)
				}
			}
		}
	}
	if n := connected.Load(); n != 1 {
		t.Errorf("it took %d connections", n)
	}
}
