// Command million holds a million WebSocket connections in one chatd process,
// has its program replaced, sends one message to all of them, and reports what that took.
//
// Few machines let one process have so many descriptors, so it happens in a
// User-Mode Linux guest, which is an ordinary process with limits of its own.
// The guest's root is a directory of the host; this program is its init, and
// there becomes the load generator.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// deadline bounds everything.
const deadline = 30 * time.Minute

func main() {
	clients := flag.Int("n", 1_000_000, "`connections` to hold")
	server := flag.String("chatd", "bin/chatd", "static `binary` of the server")
	out := flag.String("out", "bench/million", "`directory` for report.json and REPORT.md")
	flag.Parse()
	if os.Getpid() == 1 {
		becomeGuest(*clients)
		return
	}
	if *clients < 1 || *clients > 4_000_000 {
		fmt.Fprintf(os.Stderr, "million: -n is %d: must be from 1 to 4,000,000\n", *clients)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	h := host{clients: *clients, server: *server, out: *out}
	if err := h.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "million:", err)
		os.Exit(1)
	}
}
