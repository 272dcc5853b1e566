package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"chatd/room"
	"chatd/room/reload"
)

const maxTokenFile = 1 << 20 // bytes of it

// Tokens are those of a file, one a line, which may change while they are in use.
// Nothing of them is told to anybody.
type Tokens struct {
	*reload.File
	known atomic.Pointer[[]*bearer]
}

// bearer is one of them, and who has it.
type bearer struct {
	text string            // static, as the next one
	hash [sha256.Size]byte // of the text

	once   sync.Once
	caller *room.Publisher // is set once it was asked for
}

// OpenTokens reads the file.
func OpenTokens(path string) (*Tokens, error) {
	t := new(Tokens)
	t.known.Store(new([]*bearer))
	file, err := reload.Open(path, maxTokenFile, t.load)
	switch {
	case err != nil:
		return nil, err
	case t.Len() == 0:
		return nil, fmt.Errorf("%s has no token: write one a line", path)
	}
	t.File = file
	return t, nil
}

// Len is how many there are.
func (t *Tokens) Len() int { return len(*t.known.Load()) }

// load takes what the file has, as a whole or not at all. Who had a token before and
// has it still is the same caller. A file without any takes all of them back.
func (t *Tokens) load(content []byte) error {
	before := make(map[[sha256.Size]byte]*bearer)
	for _, k := range *t.known.Load() {
		before[k.hash] = k
	}
	var known []*bearer
	number := 0
	for line := range bytes.Lines(content) {
		number++
		fields := strings.Fields(string(line))
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#"):
			continue
		case len(fields) > 1 && !strings.HasPrefix(fields[1], "#") || !isToken(fields[0]):
			return fmt.Errorf("line %d is no token, which is of A-Z a-z 0-9 - . _ ~ + / and ends in any number of =", number)
		}
		hash := sha256.Sum256([]byte(fields[0]))
		k := before[hash]
		if k == nil {
			k = &bearer{text: fields[0], hash: hash}
			before[hash] = k
		}
		known = append(known, k)
	}
	t.known.Store(&known)
	return nil
}

// isToken reports whether s can be a bearer token (RFC 6750 §2.1).
func isToken(s string) bool {
	return s != "" && strings.Trim(strings.TrimRight(s, "="), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") == "" && s[0] != '='
}

// caller is who has the token; nil: nobody. That takes as long whatever the token is.
func (t *Tokens) caller(given string, server *room.Server) *room.Publisher {
	hash := sha256.Sum256([]byte(given))
	var found *bearer
	for _, k := range *t.known.Load() {
		if subtle.ConstantTimeCompare(k.hash[:], hash[:]) == 1 {
			found = k
		}
	}
	if found == nil {
		return nil
	}
	found.once.Do(func() { found.caller = server.NewPublisher(found.text) })
	return found.caller
}

// errClosed is the answer to all requests of a server without tokens, whatever they ask.
var errClosed = problem(http.StatusForbidden, "this server takes no requests of programs, but for events: it has to be started with -api-token-file")

// authorize is the caller of r, if it may call.
func (a *API) authorize(w http.ResponseWriter, r *http.Request) (*room.Publisher, error) {
	given := r.Header["Authorization"]
	if len(given) > 1 {
		return nil, problem(http.StatusBadRequest, "there is more than one Authorization")
	}
	if len(given) == 1 {
		scheme, text, _ := strings.Cut(given[0], " ")
		if caller := a.tokens.caller(strings.TrimSpace(text), a.server); caller != nil && strings.EqualFold(scheme, "Bearer") {
			return caller, nil
		}
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	return nil, problem(http.StatusUnauthorized, "a token of the server's -api-token-file is needed, as Authorization: Bearer")
}
