// Package static is the chat page: plain HTML, CSS and JavaScript, embedded in
// the binary and served with strict security headers. It knows nothing of the
// chat itself; the page finds the WebSocket at /ws of the host it came from.
package static

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// index is the file that / stands for.
const index = "index.html"

// policy lets the page load its own files and nothing else, run no inline code
// and talk to no other host. 'self' in connect-src covers ws: and wss: of the
// same host and port (CSP 3; Chromium, Firefox, and Safari from 15.4 on). Naming
// the host as well, for browsers older than that, would put what the request
// claims to be its Host into the policy.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed index.html chat.css chat.js favicon.svg
var embedded embed.FS

// Handler serves the page: / is index.html, the other files go by their names.
// The files are the embedded ones if assets is empty, else what is in the
// directory assets at the time of each request. Directories are not listed,
// and neither hidden files nor any outside of assets are served.
func Handler(assets string) (http.Handler, error) {
	if assets == "" {
		return newEmbedded()
	}
	root, err := os.OpenRoot(assets)
	if err != nil {
		return nil, fmt.Errorf("open the assets directory: %w", err)
	}
	files := root.FS()
	if info, err := fs.Stat(files, index); err != nil || !info.Mode().IsRegular() {
		root.Close()
		return nil, fmt.Errorf("the assets directory %s has no %s", assets, index)
	}
	return &handler{files: files, etag: statETag}, nil
}

func newEmbedded() (http.Handler, error) {
	entries, err := embedded.ReadDir(".")
	if err != nil {
		return nil, err
	}
	etags := make(map[string]string, len(entries))
	for _, entry := range entries {
		content, err := embedded.ReadFile(entry.Name())
		if err != nil {
			return nil, err
		}
		etags[entry.Name()] = fmt.Sprintf(`"%x"`, sha256.Sum256(content))
	}
	return &handler{files: embedded, etag: func(info fs.FileInfo) string { return etags[info.Name()] }}, nil
}

// statETag tells two versions of a file on disk apart without reading them.
func statETag(info fs.FileInfo) string {
	return fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
}

// handler serves files. All its fields are static.
type handler struct {
	files fs.FS
	etag  func(fs.FileInfo) string
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache") // to be asked for each time, and answered with 304
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD, OPTIONS") // OPTIONS is answered before
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	file, info, err := h.open(r.URL.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
		return
	case err != nil:
		http.Error(w, "can't read the file", http.StatusInternalServerError)
		return
	}
	defer file.Close()
	header.Set("ETag", h.etag(info))
	http.ServeContent(w, r, info.Name(), info.ModTime(), file)
}

// seekable is what both kinds of file are.
type seekable interface {
	fs.File
	io.Seeker
}

// open finds the file for a URL path. Whatever may not be served does not exist.
func (h *handler) open(path string) (seekable, fs.FileInfo, error) {
	name := strings.TrimPrefix(path, "/")
	if name == "" {
		name = index
	}
	if !fs.ValidPath(name) || strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
		return nil, nil, fs.ErrNotExist
	}
	// Before the file is opened: opening a pipe would wait for its writer.
	info, err := fs.Stat(h.files, name)
	if err != nil || !info.Mode().IsRegular() {
		return nil, nil, fs.ErrNotExist
	}
	file, err := h.files.Open(name)
	if err != nil {
		return nil, nil, err
	}
	return file.(seekable), info, nil
}
