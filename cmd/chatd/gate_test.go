package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
)

// gate is a proxy in front of chatd that may do something else with handshakes of
// WebSockets than to pass them on.
type gate struct {
	*network // by which it is reached
	upgrades atomic.Pointer[http.HandlerFunc]
	away     atomic.Bool // chatd is, for all that the proxy knows
}

// What a gate does with handshakes.
var (
	refused = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no upgrades here", http.StatusForbidden)
	})
	ignored = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
)

// newGate starts a gate in front of p. Nil upgrades are passed on.
func newGate(t *testing.T, p *process, upgrades http.HandlerFunc) *gate {
	t.Helper()
	g := &gate{}
	g.treat(upgrades)
	target := &url.URL{Scheme: "http", Host: p.Addr}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		// Chromium sends again by itself what it sent on a connection that it had before.
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode != http.StatusSwitchingProtocols {
				r.Header.Set("Connection", "close")
			}
			return nil
		},
		ErrorLog: log.New(io.Discard, "", 0), // that chatd is away is no fault
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrades := g.upgrades.Load()
		switch {
		case g.away.Load():
			w.WriteHeader(http.StatusBadGateway)
		case r.Header.Get("Upgrade") != "" && upgrades != nil:
			(*upgrades)(w, r)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	g.network = newNetwork(t, &process{Addr: s.Listener.Addr().String()})
	return g
}

// treat changes what is done with handshakes.
func (g *gate) treat(upgrades http.HandlerFunc) {
	if upgrades == nil {
		g.upgrades.Store(nil)
	} else {
		g.upgrades.Store(&upgrades)
	}
}
