package conformance_test

import (
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"chatd/room/conformance"
)

// maxMessage is the limit of the servers under test, in bytes.
const maxMessage = 64 << 10

// soon is the patience with a server of which it is known that it won't do what
// is waited for.
const soon = 200 * time.Millisecond

// TestOtherServersConformButForWhatIsKnown is a check of the suite: that it
// doesn't ask of others what only chatd promises, and finds what they do
// differently.
func TestOtherServersConformButForWhatIsKnown(t *testing.T) {
	servers := []struct {
		name    string
		echo    http.HandlerFunc
		deflate bool
		known   []deviation
	}{
		{"gorilla", gorillaEcho(false), false, gorillaDeviations},
		{"gorilla_with_compression", gorillaEcho(true), true, gorillaDeviations},
		{"coder", coderEcho(coder.CompressionDisabled), false, coderDeviations},
		{"coder_with_compression", coderEcho(coder.CompressionNoContextTakeover), true, coderDeviations},
		{"coder_with_context_takeover", coderEcho(coder.CompressionContextTakeover), true, coderDeviations},
	}
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			target := serve(t, s.echo)
			target.Deflate = s.deflate
			for _, c := range conformance.Cases() {
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					target, known := target, known(s.known, c.Name)
					if known.silent {
						target.Patience = soon
					}
					switch err := c.Run(target); {
					case errors.Is(err, conformance.ErrSkipped):
					case err != nil && known.reason == "":
						t.Error(err)
					case err == nil && known.reason != "":
						t.Errorf("passes, although it is listed: %s", known.reason)
					case err != nil && isSilence(err) != known.silent:
						t.Errorf("silent is %v, but: %v", known.silent, err)
					}
				})
			}
		})
	}
}

func TestEveryDeviationIsOfSomeCase(t *testing.T) {
	cases := conformance.Cases()
	for _, d := range slices.Concat(gorillaDeviations, coderDeviations) {
		found := false
		for _, c := range cases {
			found = found || known([]deviation{d}, c.Name) == d
		}
		if !found {
			t.Errorf("no case %s", d.cases)
		}
	}
}

func TestEveryCaseHasANameOfItsOwnThatBeginsWithItsSection(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range conformance.Cases() {
		parts := strings.Split(c.Name, "/")
		if len(parts) != 3 || !strings.HasPrefix(parts[0], "RFC") || strings.Trim(parts[1], "0123456789.") != "" || seen[c.Name] {
			t.Errorf("bad name, or the second of it: %s", c.Name)
		}
		seen[c.Name] = true
	}
}

// deviation is what a server is known to do differently.
type deviation struct {
	cases  string // a pattern of path.Match
	reason string // from the server's source
	silent bool   // all that shows is that something does not come
}

// known is the deviation that a case is of, the zero value if there is none.
func known(all []deviation, name string) deviation {
	for _, d := range all {
		if ok, err := path.Match(d.cases, name); ok || err != nil {
			return d
		}
	}
	return deviation{}
}

// isSilence reports whether a case's error is that something did not come in
// time.
func isSilence(err error) bool {
	return strings.Contains(err.Error(), "i/o timeout") || strings.Contains(err.Error(), staysOpen)
}

// serve starts a server until the end of the test.
func serve(t *testing.T, echo http.HandlerFunc) conformance.Target {
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", echo)
	s := httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return conformance.Target{Addr: s.Listener.Addr().String(), Path: "/ws", MaxMessage: maxMessage}
}

// gorillaEcho checks UTF-8 itself: the library leaves that to who uses it.
func gorillaEcho(compress bool) http.HandlerFunc {
	upgrader := gorilla.Upgrader{EnableCompression: compress}
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetReadLimit(maxMessage)
		for {
			typ, m, err := conn.ReadMessage()
			switch {
			case err != nil:
				return
			case typ == gorilla.TextMessage && !utf8.Valid(m):
				typ, m = gorilla.CloseMessage, gorilla.FormatCloseMessage(gorilla.CloseInvalidFramePayloadData, "")
			}
			if conn.WriteMessage(typ, m) != nil || typ == gorilla.CloseMessage {
				return
			}
		}
	}
}

// coderEcho checks UTF-8 itself: the library leaves that to who uses it.
func coderEcho(mode coder.CompressionMode) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: mode})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(maxMessage)
		for {
			typ, m, err := conn.Read(r.Context())
			switch {
			case err != nil:
				return
			case typ == coder.MessageText && !utf8.Valid(m):
				_ = conn.Close(coder.StatusInvalidFramePayloadData, "")
				return
			}
			if conn.Write(r.Context(), typ, m) != nil {
				return
			}
		}
	}
}
