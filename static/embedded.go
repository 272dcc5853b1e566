package static

import (
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"io/fs"
	"sync"
)

// bestBrotli is the highest level that takes milliseconds: the next one has who asks
// first wait for a tenth of a second to save a tenth of the bytes.
const bestBrotli = 9

//go:embed *.html *.css *.js *.svg *.json *.yaml PROTOCOL.md
var files embed.FS

// embedded is the page that is built in. Each file is compressed when it is asked for the
// first time: a start must not take longer than it has to, as clients wait for that of a
// program that replaces another one.
type embedded map[string]func() (*content, error)

func newEmbedded() (embedded, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	e := make(embedded, len(entries))
	add := func(name string, body []byte, as string) {
		e[as] = sync.OnceValues(func() (*content, error) {
			return newContent(name, body, sha256.Sum256(body), bestBrotli, gzip.BestCompression)
		})
	}
	for _, entry := range entries {
		body, err := files.ReadFile(entry.Name())
		if err != nil {
			return nil, err
		}
		add(entry.Name(), body, entry.Name())
		if entry.Name() == index {
			add(index, inRoom(body), roomIndex)
		}
	}
	return e, nil
}

// find implements finder.
func (e embedded) find(name string) (*content, error) {
	if c := e[name]; c != nil {
		return c()
	}
	return nil, fs.ErrNotExist
}
