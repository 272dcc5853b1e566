package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"chatd/room"
)

const (
	rereadAfter  = time.Second // how long what was read of the file is good
	maxTokenFile = 1 << 20     // bytes of it
)

// Tokens are those of a file, one a line, which is read again when somebody asks and
// a while has passed. Nothing of them is told to anybody.
type Tokens struct {
	path string           // static, as the next two
	log  *slog.Logger     // of the server
	now  func() time.Time // the clock

	mu     sync.Mutex // guards what follows
	readAt time.Time
	read   [sha256.Size]byte // the hash of what the file had
	failed string            // why it could not be read the last time; "": it could
	known  []*bearer
}

// bearer is one of them, and who has it.
type bearer struct {
	text   string
	hash   [sha256.Size]byte
	caller *room.Publisher // nil until it was asked for
}

// OpenTokens reads the file.
func OpenTokens(path string, log *slog.Logger) (*Tokens, error) {
	t := &Tokens{path: path, log: log, now: time.Now}
	if err := t.load(); err != nil {
		return nil, err
	}
	if len(t.known) == 0 {
		return nil, fmt.Errorf("%s has no token: write one a line", path)
	}
	t.readAt = t.now()
	return t, nil
}

// load reads the file. What it says is taken as a whole or not at all.
func (t *Tokens) load() error {
	f, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile+1))
	if err != nil {
		return err
	}
	if len(b) > maxTokenFile {
		return fmt.Errorf("%s has more than %d bytes", t.path, maxTokenFile)
	}
	read := sha256.Sum256(b)
	if read == t.read {
		return nil
	}
	before := make(map[[sha256.Size]byte]*bearer)
	for _, k := range t.known {
		before[k.hash] = k
	}
	var known []*bearer
	number := 0
	for line := range bytes.Lines(b) {
		number++
		fields := strings.Fields(string(line))
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#"):
			continue
		case len(fields) > 1 && !strings.HasPrefix(fields[1], "#") || !isToken(fields[0]):
			return fmt.Errorf("line %d of %s is no token, which is of A-Z a-z 0-9 - . _ ~ + / and ends in any number of =", number, t.path)
		}
		hash := sha256.Sum256([]byte(fields[0]))
		k := before[hash]
		if k == nil {
			k = &bearer{text: fields[0], hash: hash}
			before[hash] = k
		}
		known = append(known, k)
	}
	t.known, t.read = known, read
	return nil
}

// isToken reports whether s can be a bearer token (RFC 6750 §2.1).
func isToken(s string) bool {
	return s != "" && strings.Trim(strings.TrimRight(s, "="), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") == "" && s[0] != '='
}

// caller is who has the token; nil: nobody. That takes as long whatever the token is.
func (t *Tokens) caller(given string, server *room.Server) *room.Publisher {
	hash := sha256.Sum256([]byte(given))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	var found *bearer
	for _, k := range t.known {
		if subtle.ConstantTimeCompare(k.hash[:], hash[:]) == 1 {
			found = k
		}
	}
	if found == nil {
		return nil
	}
	if found.caller == nil {
		found.caller = server.NewPublisher(found.text)
	}
	return found.caller
}

// refresh reads the file again if that was a while ago. While it can't be read, what
// it had remains.
func (t *Tokens) refresh() {
	now := t.now()
	if now.Sub(t.readAt) < rereadAfter {
		return
	}
	t.readAt = now
	before := t.read
	err := t.load()
	switch {
	case err != nil && err.Error() != t.failed:
		t.failed = err.Error()
		t.log.Error("the API's tokens can't be read again; those from before remain", "err", err)
	case err == nil && t.read != before:
		t.failed = ""
		t.log.Info("the API's tokens were read again", "tokens", len(t.known))
	case err == nil:
		t.failed = ""
	}
}

// authorize is the caller of r, if it may call.
func (a *API) authorize(w http.ResponseWriter, r *http.Request) (*room.Publisher, error) {
	if a.tokens == nil {
		return nil, problem(http.StatusForbidden, "this server takes no requests of programs, but for events: it has to be started with -api-token-file")
	}
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
