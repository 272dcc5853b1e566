package static

import (
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"io/fs"
)

// bestBrotli is the highest level that takes milliseconds: the next one makes a
// start wait for a tenth of a second to save a tenth of the bytes.
const bestBrotli = 9

//go:embed *.html *.css *.js *.svg *.json *.md *.yaml
var files embed.FS

// embedded is the page that is built in, compressed at the start.
type embedded map[string]*content

func newEmbedded() (embedded, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	e := make(embedded, len(entries))
	for _, entry := range entries {
		body, err := files.ReadFile(entry.Name())
		if err != nil {
			return nil, err
		}
		e[entry.Name()], err = newContent(entry.Name(), body, sha256.Sum256(body), bestBrotli, gzip.BestCompression)
		if err != nil {
			return nil, err
		}
	}
	page := inRoom(e[index].codings[len(e[index].codings)-1].body)
	e[roomIndex], err = newContent(index, page, sha256.Sum256(page), bestBrotli, gzip.BestCompression)
	return e, err
}

// find implements finder.
func (e embedded) find(name string) (*content, error) {
	if c := e[name]; c != nil {
		return c, nil
	}
	return nil, fs.ErrNotExist
}
