// Package admin is what a server shows to the people who run it, on an address
// of its own: metrics, health, profiles, and the table of connections.
//
//	/metrics       Prometheus
//	/healthz       200 as long as the process works
//	/readyz        200 while it takes clients, 503 when it is full or goes away, or what is
//	               said can't be kept
//	/debug/rooms   the ten rooms with the most messages a second
//	/debug/conns   the connections, and the last that were refused or sent away
//	/debug/pprof/  profiles
//
// Requests must name it as it is called (host.go), or a page that somebody here
// looks at could have its own host's name lead here, and read it all.
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

	"chatd/cmd/chatd/api"
	"chatd/cmd/chatd/certs"
	"chatd/cmd/chatd/listen"
	"chatd/cmd/chatd/upgrade"
	"chatd/poller"
	"chatd/room"
	"chatd/room/order/stored"
	"chatd/room/token"
)

// questionTimeout is how long the server's Tasks may take to answer.
const questionTimeout = 2 * time.Second

// Admin is the HTTP server. Its methods may be called from anywhere.
type Admin struct {
	listener net.Listener
	names    names
	http     *http.Server
	log      *slog.Logger
	done     chan struct{} // closed, once in a life, when the server has ended
}

// New is an admin on ln, which answers to these names, too. Nothing is served
// before Start.
func New(ln net.Listener, hosts []string, log *slog.Logger) *Admin {
	return &Admin{listener: ln, names: newNames(ln.Addr(), hosts), log: log, done: make(chan struct{})}
}

// Source is what there is to show.
type Source struct {
	Server    *room.Server
	Pool      *poller.Pool
	Listeners []*poller.Listener
	API       *api.API
	MaxConns  int
	Version   string

	// As the server was given them.
	PassTime, PlaceTime, Lag prometheus.Histogram

	LogLinesLost func() uint64 // may be called from anywhere
	Upgrades     *upgrade.Counts
	TokenKey     *token.File   // nil: clients need no tokens
	APITokens    *api.Tokens   // nil: programs may not ask
	Store        *stored.Store // nil: nothing is on disk
	NATS         *NATS         // nil: rooms don't span nodes
	Certs        *certs.Certs  // nil: TLS is not spoken
}

// Start serves until Close. From now on the server counts as ready.
func (a *Admin) Start(s Source) {
	a.http = &http.Server{Handler: a.names.guard(a.handler(s)), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	go func() {
		defer close(a.done)
		_ = a.http.Serve(a.listener) // ErrServerClosed, or the listener's end
	}()
	a.log.Info("admin listening", "addr", listen.Name(a.listener.Addr()))
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
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { ready(w, r, s) })
	mux.HandleFunc("GET /debug/rooms", func(w http.ResponseWriter, r *http.Request) { topRooms(w, r, s.Server) })
	mux.HandleFunc("GET /debug/conns", func(w http.ResponseWriter, r *http.Request) { conns(w, r, s.Server) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// pauses is how often new connections have had to wait because of p at any of the
// listeners, and whether they do now.
func (s Source) pauses(p poller.Pause) (times uint64, now bool) {
	for _, l := range s.Listeners {
		more, waits := l.Pauses(p)
		times, now = times+more, now || waits
	}
	return times, now
}

// ready tells whether new clients should be sent here. That the hub answers
// shows that the workers work.
func ready(w http.ResponseWriter, r *http.Request, s Source) {
	ctx, cancel := context.WithTimeout(r.Context(), questionTimeout)
	defer cancel()
	_, exhausted := s.pauses(poller.Exhausted)
	why := ""
	switch {
	case s.Server.Draining():
		why = "going away"
	case !s.Server.Admit():
		why = fmt.Sprintf("full: there are -max-conns connections, %d, and more have to wait", s.MaxConns)
	case exhausted:
		why = "full: the system has no more descriptors or memory, and new connections have to wait"
	case s.Server.Alive(ctx) != nil:
		why = "the workers don't answer"
	case s.Server.Unavailable() != nil:
		why = s.Server.Unavailable().Error()
	}
	if why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}
