package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3"

	"chatd/room"
)

// options are the command line's flags. Each is also an environment variable,
// CHATD_ and the flag's name in capitals with _ for -; a flag wins.
type options struct {
	addr             string
	assets           string
	queue            int
	workers          int
	ioUring          ioUring
	maxMessage       int
	handshakeTimeout time.Duration
	drainTimeout     time.Duration
	pingInterval     time.Duration
	maxConns         int
	allowOrigin      []string
	logLevel         slog.Level
	version          bool
}

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("chatd", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are reported once, by the caller
	fs.StringVar(&o.addr, "addr", ":8080", "`host:port` to listen on; port 0 picks a free one")
	fs.StringVar(&o.assets, "assets", "", "serve the page from this `directory` instead of the built-in one")
	fs.IntVar(&o.queue, "queue", 256, "messages that may wait for one client; one more, and it is dropped")
	fs.IntVar(&o.workers, "workers", runtime.NumCPU(), "worker `threads`")
	fs.TextVar(&o.ioUring, "io-uring", ioUring(true), "`auto` or off: write to many clients with one system call where the kernel lets us")
	fs.IntVar(&o.maxMessage, "max-message", 64<<10, "largest message in `bytes`; a client that sends a larger one is closed with 1009")
	fs.DurationVar(&o.handshakeTimeout, "handshake-timeout", 5*time.Second, "time for a connection to send its whole HTTP head; then it is closed")
	fs.DurationVar(&o.drainTimeout, "drain-timeout", 10*time.Second, "time for a client that leaves, or is dropped, to take what is queued for it; also bounds the shutdown")
	fs.DurationVar(&o.pingInterval, "ping-interval", 54*time.Second, "silence after which a client is pinged; after two it is closed; 0: never")
	fs.IntVar(&o.maxConns, "max-conns", 0, "connections at a time, more have to wait; 0: as many as the file descriptor limit leaves")
	fs.Func("allow-origin", "an `origin` that may connect besides the page's own, as https://host or host; * allows all; repeatable", func(v string) error {
		if v == "" {
			return errors.New("must not be empty")
		}
		o.allowOrigin = append(o.allowOrigin, v)
		return nil
	})
	fs.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "`level` of the log: debug, info, warn or error")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	fs.Usage = func() {}

	err := ff.Parse(fs, args, ff.WithEnvVarPrefix("CHATD"), ff.WithEnvVarSplit(","))
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(out, "chatd is a chat and broadcast server for very many connections.\n\nUsage: chatd [flags]\n\nEach flag is also an environment variable: -max-conns is CHATD_MAX_CONNS. A flag wins.\n\nFlags:")
		fs.SetOutput(out)
		fs.PrintDefaults()
		return o, err
	}
	if err != nil {
		return o, fmt.Errorf("%s (chatd -help lists the flags)", oneLine(err))
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q (chatd -help lists the flags)", fs.Arg(0))
	}
	return o, o.check()
}

// check refuses values that make no sense.
func (o options) check() error {
	switch {
	case o.queue < 1:
		return fmt.Errorf("-queue is %d: must be at least 1", o.queue)
	case o.workers < 1:
		return fmt.Errorf("-workers is %d: must be at least 1", o.workers)
	case o.maxMessage < 1:
		return fmt.Errorf("-max-message is %d: must be at least 1 byte", o.maxMessage)
	case o.maxMessage > 1<<30:
		return fmt.Errorf("-max-message is %d: must be at most %d bytes", o.maxMessage, 1<<30)
	case o.handshakeTimeout <= 0:
		return fmt.Errorf("-handshake-timeout is %s: must be more than 0", o.handshakeTimeout)
	case o.drainTimeout < 0:
		return fmt.Errorf("-drain-timeout is %s: must not be negative", o.drainTimeout)
	case o.pingInterval < 0:
		return fmt.Errorf("-ping-interval is %s: must not be negative", o.pingInterval)
	case o.maxConns < 0:
		return fmt.Errorf("-max-conns is %d: must not be negative", o.maxConns)
	}
	return nil
}

// room is the part of the options that the room package is told.
func (o options) room() room.Config {
	return room.Config{
		Queue:            o.queue,
		MaxMessage:       o.maxMessage,
		HandshakeTimeout: o.handshakeTimeout,
		DrainTimeout:     o.drainTimeout,
		PingInterval:     o.pingInterval,
		AllowOrigin:      o.allowOrigin,
	}
}

// oneLine is err's text with its line breaks folded.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

// version is what the build recorded of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v, modified := info.Main.Version, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	return v + modified + " " + info.GoVersion
}
