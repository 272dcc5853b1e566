// Package static is the chat page, plain HTML, CSS and JavaScript, and the public
// description of the protocols (PROTOCOL.md, chat.v1.schema.json, openapi.yaml), embedded in
// the binary and served with strict security headers. Of the chat itself it
// knows nothing but what it is told to tell the page ([Facts]); the page finds
// everything, the WebSocket included, relative to where it came from. What speaks
// chat.v1 for it is client.js, which other sites may import as well.
//
//	request ─▶ path? ── status.json ─▶ status: the facts
//	             │
//	             ▼
//	           finder (embedded, directory) ─▶ content ─▶ Accept-Encoding ─▶ coded
package static

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// index is the file that / stands for.
const index = "index.html"

// roomPath is above the rooms' pages, which are the index, too.
const roomPath = "/r/"

// roomIndex is the index as it is below roomPath: what it refers to is beside
// that of /. It is no file's name.
const roomIndex = "r/*"

// scriptSuffix ends the names of files that other sites may import, client.js above
// all: any site can run a script in any case, and that of a module asks for leave. The
// WebSocket is another matter: it is for the origins that may connect.
const scriptSuffix = ".js"

// inRoom makes the index that of a room, if it says where its base is.
func inRoom(page []byte) []byte {
	return bytes.Replace(page, []byte(`<base href="./">`), []byte(`<base href="../">`), 1)
}

// policy lets the page load its own files and nothing else, run no inline code
// and talk to no other host. 'self' in connect-src covers ws: and wss: of the
// same host and port (CSP 3; Chromium, Firefox, and Safari from 15.4 on). Naming
// the host as well, for browsers older than that, would put what the request
// claims to be its Host into the policy.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'self'; form-action 'none'; frame-ancestors 'none'"

// Field values that many answers share: they are put into their headers as they
// are, and not to be changed.
var (
	policyField     = []string{policy}
	nosniffField    = []string{"nosniff"}
	noReferrerField = []string{"no-referrer"}
	noCacheField    = []string{"no-cache"} // to be asked for each time, and answered with 304
	noStoreField    = []string{"no-store"}
	varyField       = []string{"Accept-Encoding"}
	bytesField      = []string{"bytes"}
	anyOriginField  = []string{"*"}
)

// finder finds what is served under a name. Whatever may not be served does not
// exist: [fs.ErrNotExist].
type finder interface {
	find(name string) (*content, error)
}

// Handler serves the page: / and what is below /r/ is index.html, the other files
// go by their names, and status.json is the facts. Which rooms there can be is for
// its caller to know. The files are the embedded ones if assets is
// empty, else what is in the directory assets at the time of each request.
// Directories are not listed, and neither hidden files nor any outside of assets
// are served.
func Handler(assets string, facts Facts) (http.Handler, error) {
	h := &handler{}
	var err error
	if h.status, err = newStatus(facts); err != nil {
		return nil, err
	}
	if assets == "" {
		h.files, err = newEmbedded()
	} else {
		h.files, err = newDirectory(assets)
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// handler serves files. All its fields are static.
type handler struct {
	files  finder
	status status
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Content-Security-Policy"] = policyField
	header["X-Content-Type-Options"] = nosniffField
	header["Referrer-Policy"] = noReferrerField
	header["Cache-Control"] = noCacheField
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD, OPTIONS") // OPTIONS is answered before
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case name == statusName:
		h.status.serve(w, r)
		return
	case name == "":
		name = index
	case strings.HasPrefix(r.URL.Path, roomPath):
		name = roomIndex
	}
	if strings.HasSuffix(name, scriptSuffix) {
		header["Access-Control-Allow-Origin"] = anyOriginField
	}
	found, err := h.files.find(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, "can't read the file", http.StatusInternalServerError)
	case found.large != nil:
		found.serveLarge(w, r)
	default:
		found.serve(w, r)
	}
}

// serve answers with the coding of c that the request likes best.
func (c *content) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	if len(c.codings) > 1 {
		header["Vary"] = varyField
	}
	chosen := c.choose(r.Header["Accept-Encoding"])
	if chosen == nil {
		http.Error(w, "none of the encodings that are accepted is there", http.StatusNotAcceptable)
		return
	}
	header["Content-Type"] = c.typeField
	header["Content-Length"] = chosen.lengthField
	header["Etag"] = chosen.etagField
	header["Accept-Ranges"] = bytesField
	if chosen.name != identity {
		header["Content-Encoding"] = chosen.nameField
	}
	switch {
	case hasConditions(r.Header):
		serveConditionally(w, r, bytes.NewReader(chosen.body))
	case r.Method == http.MethodGet:
		_, _ = w.Write(chosen.body) // a peer that went away needs no answer
	}
}

// serveLarge answers with a file that is not held in memory, and closes it.
func (c *content) serveLarge(w http.ResponseWriter, r *http.Request) {
	defer c.large.Close()
	header := w.Header()
	header["Content-Type"] = c.typeField
	header["Etag"] = c.codings[0].etagField
	serveConditionally(w, r, c.large)
}

// serveConditionally answers with body, a part of it, or none, as the request's
// fields want it.
func serveConditionally(w http.ResponseWriter, r *http.Request, body io.ReadSeeker) {
	if r.Method != http.MethodGet || !strings.HasPrefix(r.Header.Get("Range"), "bytes=") {
		r.Header.Del("Range") // RFC 9110 §14.2: it is as if it weren't there
	}
	// No time of change: two versions of a file may have the same one.
	http.ServeContent(bodiless{w}, r, "", time.Time{}, body)
}

// bodiless takes the content's fields from an answer that net/http leaves without
// a body: the client would wait for as much as they say.
type bodiless struct{ http.ResponseWriter }

// WriteHeader implements [http.ResponseWriter].
func (b bodiless) WriteHeader(status int) {
	if status == http.StatusPreconditionFailed {
		for _, field := range [...]string{"Content-Length", "Content-Encoding", "Content-Type", "Accept-Ranges"} {
			b.Header().Del(field)
		}
	}
	b.ResponseWriter.WriteHeader(status)
}

// hasConditions reports whether the answer to a request with these fields may be
// another than the whole content (RFC 9110 §13, §14).
func hasConditions(h http.Header) bool {
	for _, field := range [...]string{"If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "Range"} {
		if _, ok := h[field]; ok {
			return true
		}
	}
	return false
}
