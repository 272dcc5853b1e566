// Command chatd is a chat and broadcast server for very many connections.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"chatd/poller"
	"chatd/room"
	"chatd/static"
)

// Exit statuses.
const (
	exitFailed = 1 // the server could not start or run
	exitUsage  = 2 // a flag or its value is wrong
)

func main() {
	opts, err := parseOptions(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "chatd:", err)
		os.Exit(exitUsage)
	case opts.version:
		fmt.Println("chatd", version())
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: opts.logLevel}))
	if err := serve(ctx, opts, log); err != nil {
		fmt.Fprintln(os.Stderr, "chatd:", err)
		os.Exit(exitFailed)
	}
}

// serve runs the server until ctx ends, and then sends everybody away.
func serve(ctx context.Context, opts options, log *slog.Logger) error {
	page, err := static.Handler(opts.assets)
	if err != nil {
		return err
	}
	maxConns, err := connLimit(opts.maxConns, log)
	if err != nil {
		return err
	}
	listener, err := poller.Listen(opts.addr, log)
	if err != nil {
		return err
	}
	limitGarbage()
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), opts.workers))
	pool := poller.NewPool(opts.workers-1, opts.ioUring.sender(log), log)
	defer pool.Close()
	epoll, err := poller.New(pool, func(err error) { log.Error("waiting for events failed", "err", err) })
	if err != nil {
		return err
	}
	defer epoll.Close()

	config := opts.room()
	config.MaxConns, config.Page, config.Log = maxConns, page, log
	server := room.New(config, pool, epoll, listener.Resume)
	if err := listener.Start(epoll, pool, server); err != nil {
		return err
	}
	defer tick(server, listener)()
	log.Info("listening", "addr", listener.Addr(), "max_conns", maxConns, "workers", opts.workers)
	<-ctx.Done()

	log.Info("shutting down", "connections", server.Stats().Conns)
	listener.Close()
	drain, cancel := context.WithTimeout(context.Background(), opts.drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		log.Warn("not everybody took what was queued in time", "drain_timeout", opts.drainTimeout)
	}
	return nil
}

// tick keeps the server's clock going until stop is called.
func tick(server *room.Server, listener *poller.Listener) (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tidy := tidier{collect: debug.FreeOSMemory}
		ticker := time.NewTicker(room.TickInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				server.Tick()
				listener.Resume() // descriptors may have been freed by others
				tidy.tick(server.Stats().Conns)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}
