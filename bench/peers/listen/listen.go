// Package listen is what the peers have in common: the flag -addr, the line
// that says where they listen, and a quiet end.
package listen

import (
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
