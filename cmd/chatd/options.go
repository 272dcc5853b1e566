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

	"chatd/cmd/chatd/logging"
	"chatd/poller"
	"chatd/room"
)

// options are the command line's flags. Each is also an environment variable,
// CHATD_ and the flag's name in capitals with _ for -; a flag wins.
type options struct {
	addr             string
	assets           string
	queue            int
	workers          int
	workersGiven     bool
	ioUring          ioUring
	admin            string
	compress         bool
	maxConns         int
	maxConnsPerIP    int
	maxHandshakes    int
	maxHeader        int
	maxMessage       int
	maxFragments     int
	rateMessages     int64
	rateBytes        int64
	rateControls     int64
	rateClose        bool
	handshakeTimeout time.Duration
	pingInterval     time.Duration
	idleTimeout      time.Duration
	writeTimeout     time.Duration
	drainTimeout     time.Duration
	drainSpread      time.Duration
	allowOrigin      []string
	logLevel         slog.Level
	logFormat        logging.Format
	version          bool
}

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("chatd", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are reported once, by the caller
	fs.StringVar(&o.addr, "addr", ":8080", "`host:port` to listen on; port 0 picks a free one")
	fs.StringVar(&o.assets, "assets", "", "serve the page from this `directory` instead of the built-in one")
	fs.IntVar(&o.queue, "queue", 256, "messages that may wait for one client; one more, and it is dropped")
	fs.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "worker `threads`; the default is what Go uses: GOMAXPROCS, or the CPUs as far as quota and affinity allow")
	fs.TextVar(&o.ioUring, "io-uring", ioUring(true), "`auto` or off: write to many clients with one system call where the kernel lets us")
	fs.StringVar(&o.admin, "admin", "", "`host:port` for metrics, health, profiles and the table of connections; not for the public; empty: none")
	fs.BoolVar(&o.compress, "compress", true, "agree to permessage-deflate: a message is compressed once for all who asked for it")
	fs.IntVar(&o.maxConns, "max-conns", 0, "connections at a time, more have to wait; 0: as many as the file descriptor limit leaves")
	fs.IntVar(&o.maxConnsPerIP, "max-conns-per-ip", 0, "connections at a time from one address, more are refused with 429; 0: any number, as behind a proxy")
	fs.IntVar(&o.maxHandshakes, "max-handshakes", 10_000, "unfinished handshakes at a time; beyond, an old one is refused with 503; 0: any number")
	fs.IntVar(&o.maxHeader, "max-header", 8<<10, "largest HTTP head in `bytes`; a larger one is refused with 431")
	fs.IntVar(&o.maxMessage, "max-message", 64<<10, "largest message in `bytes`, inflated; a client that sends a larger one is closed with 1009")
	fs.IntVar(&o.maxFragments, "max-fragments", 4096, "fragments of a message; a client that sends more is closed with 1008; 0: any number")
	fs.Int64Var(&o.rateMessages, "rate-messages", 0, "messages per second that a client may send, after a burst of one second; 0: any number")
	fs.Int64Var(&o.rateBytes, "rate-bytes", 0, "`bytes` per second that a client may send, after a burst of one second; 0: any number")
	fs.Int64Var(&o.rateControls, "rate-controls", 100, "pings and unasked pongs per second that a client may send, after a burst of one second; 0: any number")
	fs.BoolVar(&o.rateClose, "rate-close", false, "close a client that sends more with 1008; otherwise it is not read for a while")
	fs.DurationVar(&o.handshakeTimeout, "handshake-timeout", 5*time.Second, "time for a connection to send its whole HTTP head; then it is closed")
	fs.DurationVar(&o.pingInterval, "ping-interval", 54*time.Second, "silence after which a client is pinged; after two it is closed; 0: never")
	fs.DurationVar(&o.idleTimeout, "idle-timeout", 0, "time without a message from a client after which it is closed with 1008; 0: never")
	fs.DurationVar(&o.writeTimeout, "write-timeout", 30*time.Second, "time in which a client takes nothing of what waits for it after which it is closed with 1013; 0: never")
	fs.DurationVar(&o.drainTimeout, "drain-timeout", 10*time.Second, "time for a client that leaves, or is dropped, to take what is queued for it; also bounds the shutdown")
	fs.DurationVar(&o.drainSpread, "drain-spread", 0, "time over which clients are sent away at the shutdown, so that they don't all come back at once")
	fs.Func("allow-origin", "an `origin` that may connect besides the page's own, as https://host or host; * allows all; repeatable", func(v string) error {
		if v == "" {
			return errors.New("must not be empty")
		}
		o.allowOrigin = append(o.allowOrigin, v)
		return nil
	})
	fs.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "`level` of the log: debug, info, warn or error")
	fs.TextVar(&o.logFormat, "log-format", logging.Text, "`format` of the log: text or json")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	fs.Usage = func() {}

	err := ff.Parse(fs, args, ff.WithEnvVarPrefix("CHATD"), ff.WithEnvVarSplit(","))
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(out, "chatd is a chat and broadcast server for very many connections.\n\nUsage:\n  chatd [flags]        run the server\n  chatd check [-conns N]  tell how many connections this host can hold\n\nEach flag is also an environment variable: -max-conns is CHATD_MAX_CONNS. A flag wins.\n\nFlags:")
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
	fs.Visit(func(f *flag.Flag) { o.workersGiven = o.workersGiven || f.Name == "workers" })
	return o, o.check()
}

// check refuses values that make no sense.
func (o options) check() error {
	switch {
	case o.queue < 1:
		return fmt.Errorf("-queue is %d: must be at least 1", o.queue)
	case o.workers < 1:
		return fmt.Errorf("-workers is %d: must be at least 1", o.workers)
	case o.admin != "" && o.admin == o.addr && !strings.HasSuffix(o.addr, ":0"):
		return fmt.Errorf("-admin is %s: must not be the same as -addr", o.admin)
	case o.maxMessage < 1:
		return fmt.Errorf("-max-message is %d: must be at least 1 byte", o.maxMessage)
	case o.maxMessage > 1<<30:
		return fmt.Errorf("-max-message is %d: must be at most %d bytes", o.maxMessage, 1<<30)
	case o.maxHeader < 256 || o.maxHeader > poller.ScratchSize:
		return fmt.Errorf("-max-header is %d: must be 256 to %d bytes", o.maxHeader, poller.ScratchSize)
	case o.handshakeTimeout <= 0 || o.handshakeTimeout > maxTimeout:
		return fmt.Errorf("-handshake-timeout is %s: must be more than 0 and at most %s", o.handshakeTimeout, maxTimeout)
	}
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"max-conns", int64(o.maxConns)}, {"max-conns-per-ip", int64(o.maxConnsPerIP)}, {"max-handshakes", int64(o.maxHandshakes)},
		{"max-fragments", int64(o.maxFragments)}, {"rate-messages", o.rateMessages}, {"rate-bytes", o.rateBytes}, {"rate-controls", o.rateControls},
	} {
		if limit.value < 0 || limit.value > 1<<40 {
			return fmt.Errorf("-%s is %d: must be 0 to %d", limit.name, limit.value, int64(1<<40))
		}
	}
	for _, timeout := range []struct {
		name  string
		value time.Duration
	}{
		{"drain-timeout", o.drainTimeout}, {"drain-spread", o.drainSpread}, {"ping-interval", o.pingInterval},
		{"idle-timeout", o.idleTimeout}, {"write-timeout", o.writeTimeout},
	} {
		if timeout.value < 0 || timeout.value > maxTimeout {
			return fmt.Errorf("-%s is %s: must be 0 to %s", timeout.name, timeout.value, maxTimeout)
		}
	}
	return nil
}

// maxTimeout is far within what the server's clock can count.
const maxTimeout = 365 * 24 * time.Hour

// room is the part of the options that the room package is told.
func (o options) room() room.Config {
	return room.Config{
		Queue:             o.queue,
		MaxMessage:        o.maxMessage,
		Compress:          o.compress,
		MaxConnsPerSource: o.maxConnsPerIP,
		MaxHandshakes:     o.maxHandshakes,
		MaxHead:           o.maxHeader,
		MaxFragments:      o.maxFragments,
		RateMessages:      o.rateMessages,
		RateBytes:         o.rateBytes,
		RateControls:      o.rateControls,
		RateClose:         o.rateClose,
		HandshakeTimeout:  o.handshakeTimeout,
		PingInterval:      o.pingInterval,
		IdleTimeout:       o.idleTimeout,
		WriteTimeout:      o.writeTimeout,
		DrainTimeout:      o.drainTimeout,
		DrainSpread:       o.drainSpread,
		AllowOrigin:       o.allowOrigin,
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
