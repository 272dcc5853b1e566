// Package listen is what the peers have in common: the flag -addr, and of those that
// can speak TLS those that name a certificate, the line that says where they listen, and
// a quiet end.
package listen

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// On parses the flags, listens, and says so. The process ends, well, at SIGINT
// or SIGTERM.
func On() net.Listener {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	flag.Parse()
	ln, err := net.Listen("tcp", *addr)
	if err != nil {
		Fail(err)
	}
	Announce(ln.Addr().String())
	return ln
}

// Certificate is that of a peer which speaks TLS.
type Certificate struct{ File, Key string }

// OnTLS is On for one that speaks TLS by itself, if it is given a certificate.
func OnTLS() (net.Listener, Certificate) {
	var c Certificate
	flag.StringVar(&c.File, "tls-cert", "", "`file` of a certificate: TLS 1.3 is spoken")
	flag.StringVar(&c.Key, "tls-key", "", "`file` of its key")
	return On(), c
}

// OnNetTLS is On for one that is served by net/http, which speaks TLS, if it is given a
// certificate, by crypto/tls.
func OnNetTLS() net.Listener {
	ln, c := OnTLS()
	if c.File == "" {
		return ln
	}
	pair, err := tls.LoadX509KeyPair(c.File, c.Key)
	if err != nil {
		Fail(err)
	}
	return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}})
}

// Announce says that addr is listened on.
func Announce(addr string) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	slog.Info("listening", "addr", addr)
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ends
		os.Exit(0)
	}()
}

// Serve serves handler at /ws on ln.
func Serve(ln net.Listener, handler http.HandlerFunc) {
	http.HandleFunc("/ws", handler)
	Fail(http.Serve(ln, nil))
}

// Fail ends the process with err.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
