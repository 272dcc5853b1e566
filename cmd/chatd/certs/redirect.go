package certs

import (
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"chatd/cmd/chatd/listen"
	"chatd/room/handshake"
)

// RedirectConns is how many connections a Redirect has at a time; more wait.
const RedirectConns = 256

// A client of a Redirect has little to say, and little to hear.
const (
	redirectTimeout = 5 * time.Second
	redirectHeader  = 8 << 10
)

// Redirect answers plain HTTP with where the same is by https.
type Redirect struct {
	http *http.Server
	done chan struct{} // closed when it has ended
}

// NewRedirect answers on ln, until Close. TLS is spoken on to.
func NewRedirect(ln net.Listener, to net.Addr, log *slog.Logger) *Redirect {
	r := &Redirect{done: make(chan struct{}), http: &http.Server{
		Handler:        redirect(port(ln.Addr()), port(to)),
		ReadTimeout:    redirectTimeout,
		WriteTimeout:   redirectTimeout,
		MaxHeaderBytes: redirectHeader,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true,
	}}
	r.http.SetKeepAlivesEnabled(false) // the next request is made elsewhere
	log.Info("redirecting to https", "addr", listen.Name(ln.Addr()))
	go func() {
		defer close(r.done)
		_ = r.http.Serve(netutil.LimitListener(ln, RedirectConns)) // ErrServerClosed, or the listener's end
	}()
	return r
}

// Close ends it, if it is there, without waiting for answers that are under way.
func (r *Redirect) Close() {
	if r == nil {
		return
	}
	r.http.Close()
	<-r.done
}

// port is that of an address, 0 if it has none.
func port(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// httpsPort is the one that a URL need not name, as httpPort is without TLS.
const (
	httpPort  = 80
	httpsPort = 443
)

// redirect answers those who come by the port from. Whoever names it in Host is sent
// to the port to; whoever names another one was led here by somebody who maps ports,
// and will do so with https.
func redirect(from, to int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, named, ok := splitHost(r.Host)
		if !ok || r.Method == http.MethodConnect || !strings.HasPrefix(r.URL.RequestURI(), "/") {
			http.Error(w, "this is for browsers that look for https, and must be told which host is meant, and which of its pages", http.StatusBadRequest)
			return
		}
		if named == from && to != httpsPort && to != 0 {
			host += ":" + strconv.Itoa(to)
		}
		http.Redirect(w, r, "https://"+host+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
}

// splitHost reads a Host field: its host as a URL has it, and its port.
func splitHost(s string) (host string, port int, ok bool) {
	o, err := handshake.ParseOrigin(s)
	if err != nil || o.Scheme != "" || o.Host == "*" {
		return "", 0, false
	}
	if o.Port == "" {
		return o.Host, httpPort, true
	}
	port, err = strconv.Atoi(o.Port)
	return o.Host, port, err == nil
}

// HSTS has browsers that got something by TLS never ask without it again (RFC 6797).
// Nothing is said without TLS, where anybody could.
func HSTS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000") // a year
		}
		next.ServeHTTP(w, r)
	})
}
