package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"
)

// The content codings (RFC 9110 §8.4.1), the smallest first.
const (
	brotliCoding = "br"
	gzipCoding   = "gzip"
	identity     = "identity"
)

// content is one version of a file. It is not changed once it is made.
type content struct {
	typeField []string
	codings   []coded           // by preference; the last is identity
	large     io.ReadSeekCloser // the file, if it is not held in memory: its identity has no body
}

// coded is a content in one coding, with its header fields' values.
type coded struct {
	name        string
	body        []byte
	nameField   []string
	lengthField []string
	etagField   []string
}

// newCoded makes a coding's fields. Each coding has an entity tag of its own,
// which follows from the content alone: neither time nor size tell two versions
// apart.
func newCoded(name string, body []byte, hash [sha256.Size]byte) coded {
	etag := fmt.Sprintf(`"%x"`, hash)
	if name != identity {
		etag = fmt.Sprintf(`"%x-%s"`, hash, name)
	}
	return coded{
		name: name, body: body,
		nameField: []string{name}, lengthField: []string{strconv.Itoa(len(body))}, etagField: []string{etag},
	}
}

// newContent makes the content of a file, in all the codings that make it
// smaller. Effort is brotli's and gzip's level.
func newContent(name string, body []byte, hash [sha256.Size]byte, brotliLevel, gzipLevel int) (*content, error) {
	c := &content{typeField: []string{typeOf(name, body)}}
	if compressible(c.typeField[0]) {
		window := 16 // bits; what all files of the page fit in: more costs memory
		for window < 24 && 1<<window < len(body) {
			window++
		}
		for _, coding := range []struct {
			name string
			new  func(io.Writer) (io.WriteCloser, error)
		}{
			{brotliCoding, func(w io.Writer) (io.WriteCloser, error) {
				return brotli.NewWriterOptions(w, brotli.WriterOptions{Quality: brotliLevel, LGWin: window}), nil
			}},
			{gzipCoding, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzipLevel) }},
		} {
			small, err := compress(body, coding.new)
			if err != nil {
				return nil, fmt.Errorf("compress %s: %w", name, err)
			}
			if len(small) < len(body) {
				c.codings = append(c.codings, newCoded(coding.name, small, hash))
			}
		}
	}
	c.codings = append(c.codings, newCoded(identity, body, hash))
	return c, nil
}

func compress(body []byte, newWriter func(io.Writer) (io.WriteCloser, error)) ([]byte, error) {
	var out bytes.Buffer
	w, err := newWriter(&out)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(out.Bytes()), nil
}

// typeOf is the media type of a file that begins with body.
func typeOf(name string, body []byte) string {
	if path.Ext(name) == ".yaml" { // of which hosts think differently
		return "application/yaml" // RFC 9512
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return http.DetectContentType(body)
}

// compressible reports whether files of a media type are not compressed in
// themselves.
func compressible(mediaType string) bool {
	mediaType, _, _ = strings.Cut(mediaType, ";")
	switch mediaType {
	case "application/javascript", "application/json", "application/manifest+json", "application/wasm",
		"application/xml", "application/yaml", "image/svg+xml":
		return true
	}
	return strings.HasPrefix(mediaType, "text/")
}
