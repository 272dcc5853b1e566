// Package admin is what a server shows to the people who run it, on an address
// of its own: metrics, health, profiles, and the table of connections.
//
//	/metrics       Prometheus
//	/healthz       200 as long as the process works
//	/readyz        200 while it takes clients, 503 when it goes away
//	/debug/conns   the connections, and the last that were refused or sent away
//	/debug/pprof/  profiles
//
// It reads the room's counters when it is asked and adds nothing to the way of
// a message. It is not for the public: it tells addresses, and a profile costs
// time.
package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"chatd/poller"
	"chatd/room"
)

// questionTimeout is how long the server's Tasks may take to answer.
const questionTimeout = 2 * time.Second

// Admin is the HTTP server. Its methods may be called from anywhere.
type Admin struct {
	listener net.Listener
	http     *http.Server
	log      *slog.Logger
	done     chan struct{} // closed, once in a life, when the server has ended
}

// Listen opens addr. Nothing is served before Start.
func Listen(addr string, log *slog.Logger) (*Admin, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-admin: %w", err)
	}
	return &Admin{listener: ln, log: log, done: make(chan struct{})}, nil
}

// Source is what there is to show.
type Source struct {
	Server   *room.Server
	Pool     *poller.Pool
	Listener *poller.Listener
	MaxConns int
	Version  string
	PassTime prometheus.Histogram // as the server was given it
	Lag      prometheus.Histogram

	LogLinesLost func() uint64 // may be called from anywhere
}

// Start serves until Close. From now on the server counts as ready.
func (a *Admin) Start(s Source) {
	a.http = &http.Server{Handler: a.handler(s), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	go func() {
		defer close(a.done)
		_ = a.http.Serve(a.listener) // ErrServerClosed, or the listener's end
	}()
	a.log.Info("admin listening", "addr", a.listener.Addr())
}

// Close ends the server, if it was started, without waiting for answers that
// are under way.
func (a *Admin) Close() {
	if a.http == nil {
		a.listener.Close()
		return
	}
	a.http.Close()
	<-a.done
}

func (a *Admin) handler(s Source) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(Registry(s), promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready(w, r, s.Server) })
	mux.HandleFunc("GET /debug/conns", func(w http.ResponseWriter, r *http.Request) { conns(w, r, s.Server) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// ready tells whether new clients should be sent here. That the hub answers
// shows that the workers work.
func ready(w http.ResponseWriter, r *http.Request, server *room.Server) {
	ctx, cancel := context.WithTimeout(r.Context(), questionTimeout)
	defer cancel()
	if server.Draining() {
		http.Error(w, "going away", http.StatusServiceUnavailable)
		return
	}
	if err := server.Alive(ctx); err != nil {
		http.Error(w, "the workers don't answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
