// Package api is what programs may ask of the server by HTTP, on its public address:
// to publish, to read what is kept, to look at the rooms, and to remove somebody.
//
//	GET    /rooms                      the rooms, by name
//	GET    /rooms/{room}               one room
//	GET    /rooms/{room}/messages      its history
//	POST   /rooms/{room}/messages      publish
//	DELETE /rooms/{room}/members/{id}  send somebody away
//
// static/openapi.yaml describes it. Who has a token of -api-token-file may do all of
// that; without the flag nobody may. A room's events, at /rooms/{room}/events, are
// another matter, and the event loop's.
//
//	request ─▶ path ─▶ origin ─▶ method ─▶ token ─▶ room ─▶ what is asked
//	             └─────────────────┴─────────┴────────┴──────────┴──▶ problem (RFC 9457)
//
// Each request has a goroutine of net/http's, which waits for the room's hub; no worker
// ever waits for it.
package api

import (
	"context"
	"net/http"
	"path"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"chatd/room"
	"chatd/room/handshake"
)

// maxBodies is how many bytes of bodies are in memory at a time: who publishes beyond
// that waits for others.
const maxBodies = 64 << 20

// patience is how long a request waits for the server by default: for memory, or a room's hub.
const patience = 10 * time.Second

// API answers requests for /rooms and below. Its fields are static once it has begun.
type API struct {
	server     *room.Server
	tokens     *Tokens       // nil: nobody may do anything
	maxMessage int           // bytes of a text
	patience   time.Duration // how long a request waits for the server
	mux        *http.ServeMux
	bodies     *semaphore.Weighted
	counts     counts
}

// action is what a route does. What it returns is why it has not.
type action func(w http.ResponseWriter, r *http.Request, caller *room.Publisher) error

// New is an API for the callers with the tokens; nil: there are none. A message may
// have maxMessage bytes.
func New(tokens *Tokens, maxMessage int) *API {
	a := &API{tokens: tokens, maxMessage: maxMessage, patience: patience, mux: http.NewServeMux(), bodies: semaphore.NewWeighted(maxBodies)}
	for _, route := range []struct {
		methods, pattern string
		actions          map[string]action
	}{
		{"GET, HEAD, OPTIONS", "/rooms", map[string]action{"GET": a.rooms}},
		{"GET, HEAD, OPTIONS", "/rooms/{room}", map[string]action{"GET": a.room}},
		{"GET, HEAD, POST, OPTIONS", "/rooms/{room}/messages", map[string]action{"GET": a.messages, "POST": a.publish}},
		{"DELETE, OPTIONS", "/rooms/{room}/members/{id}", map[string]action{"DELETE": a.remove}},
	} {
		for method, do := range route.actions {
			a.handle(method+" "+route.pattern, a.guard(do))
		}
		a.handle("OPTIONS "+route.pattern, func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Allow", route.methods)
			w.WriteHeader(http.StatusNoContent)
			return nil
		})
		a.handle(route.pattern, func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Allow", route.methods)
			return problem(http.StatusMethodNotAllowed, "the methods here are "+route.methods)
		})
	}
	a.handle("/", func(http.ResponseWriter, *http.Request) error { return errNoResource })
	return a
}

// Begin has the API answer for a server. It comes before the first request.
func (a *API) Begin(server *room.Server) { a.server = server }

// handle has requests that match a pattern answered by what do does, or by the
// problem that it returns.
func (a *API) handle(pattern string, do func(http.ResponseWriter, *http.Request) error) {
	count := a.counts.add(pattern)
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		if err := do(rec, r); err != nil {
			answerProblem(rec, err)
		}
		count.note(rec.status)
	})
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (rec *recorder) WriteHeader(status int) {
	rec.status = status
	rec.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// ServeHTTP implements [http.Handler].
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	a.allowOrigin(header, r)
	err := checkPath(r.URL.EscapedPath())
	if a.tokens == nil && r.Method != http.MethodOptions {
		err = errClosed
	}
	if err != nil {
		answerProblem(w, err)
		a.counts.note("/", problemOf(err).Status)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// wait is how long r may wait for the server.
func (a *API) wait(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), a.patience)
}

// checkPath refuses a path that is none of a room, as it came, and those that
// [http.ServeMux] would redirect.
func checkPath(escaped string) error {
	name, _, below := strings.Cut(strings.TrimPrefix(escaped, room.RoomsPath), "/")
	switch {
	case escaped+"/" == room.RoomsPath:
		return nil
	case escaped == room.RoomsPath:
		return errNoResource
	case !handshake.RoomName(name): // nothing of it needs to be encoded
		return problem(http.StatusBadRequest, "a room's name is 1 to 64 of A-Z a-z 0-9 . _ ~ -, not encoded, and neither . nor ..")
	case below && path.Clean(escaped) != escaped:
		return errNoResource
	}
	return nil
}

// guard is what an action needs first: a caller who may, and a room that there can be.
func (a *API) guard(do action) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		caller, err := a.authorize(w, r)
		if err != nil {
			return err
		}
		if name := r.PathValue("room"); name != "" {
			if status, text := a.server.RefuseRoom(name, false); status != 0 {
				return problem(status, text)
			}
		}
		return do(w, r, caller)
	}
}
