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

	"chatd/cmd/chatd/certs"
	"chatd/cmd/chatd/listen"
	"chatd/cmd/chatd/logging"
	"chatd/cmd/chatd/streams"
	"chatd/cmd/chatd/upgrade"
	"chatd/poller"
	"chatd/room"
	"chatd/room/handshake"
	"chatd/room/proxy"
)

// options are the command line's flags. Each is also an environment variable,
// CHATD_ and the flag's name in capitals with _ for -; a flag wins.
type options struct {
	addr             listen.Address
	unixMode         listen.Mode
	assets           string
	queue            int
	flushInterval    time.Duration
	workers          int
	ioUring          ioUring
	admin            listen.Address
	adminHosts       []string
	compress         bool
	maxConns         int
	maxConnsPerIP    int
	maxRooms         int
	rooms            []string
	maxHandshakes    int
	maxHeader        int
	maxMessage       int
	maxFragments     int
	rateMessages     int64
	rateBytes        int64
	rateControls     int64
	rateClose        bool
	history          int
	historyAge       time.Duration
	historyMemory    int64
	handshakeTimeout time.Duration
	pingInterval     time.Duration
	idleTimeout      time.Duration
	writeTimeout     time.Duration
	drainTimeout     time.Duration
	drainSpread      time.Duration
	trustedProxies   proxy.Trusted
	proxyProtocol    bool
	allowOrigin      []string
	subprotocols     []string
	secret           string
	secretFile       string
	jwtKeyFile       string
	apiTokenFile     string
	ban              time.Duration
	data             string
	sync             syncing
	nats             streams.Flags
	tls              certs.Flags
	logLevel         slog.Level
	logFormat        logging.Format
	version          bool
	verifyState      bool

	given map[string]bool // the names of the flags that were set
}

// flags are those that set o.
func (o *options) flags() *flagSet {
	fs := &flagSet{FlagSet: flag.NewFlagSet("chatd", flag.ContinueOnError)}
	fs.SetOutput(io.Discard) // errors are reported once, by the caller
	fs.Usage = func() {}

	fs.section("Listening")
	fs.TextVar(&o.addr, "addr", listen.Address{Port: "8080"}, "`host:port` to listen on, port 0 picks a free one; or unix:/path. A socket that systemd passes is used instead")
	fs.TextVar(&o.unixMode, "unix-mode", listen.Mode(0o660), "who may connect to a unix socket, as the octal `mode` of its file")
	fs.StringVar(&o.assets, "assets", "", "serve the page from this `directory` instead of the built-in one")
	fs.list("allow-origin", "an `origin` that may connect besides the page's own, as https://host or host; * allows all; repeatable", func(v string) error {
		origin, err := handshake.ParseOrigin(v)
		o.allowOrigin = append(o.allowOrigin, origin.String())
		return err
	})
	fs.list("subprotocol", "a WebSocket subprotocol `name` to agree to, the first that a client offers of those that are given; messages stay as they are; repeatable", func(v string) error {
		if v = strings.TrimSpace(v); !handshake.IsToken(v) {
			return errors.New("must be one name, of letters, digits and !#$%&'*+-.^_`|~; repeat the flag for more")
		}
		o.subprotocols = append(o.subprotocols, v)
		return nil
	})
	fs.Var(&o.trustedProxies, "trusted-proxies", "`networks` or addresses, with commas between them, and unix for peers on Unix sockets, that are believed in Forwarded and X-Forwarded-For whom they speak for; repeatable")
	fs.BoolVar(&o.proxyProtocol, "proxy-protocol", false, "each connection begins with a PROXY protocol header, of version 1 or 2, and comes from one of -trusted-proxies; others are refused")

	fs.section("TLS")
	o.tls.Add(fs.FlagSet, fs.list)

	fs.section("Rooms")
	fs.list("rooms", "the `name` of a room; there are only those that are named, others are 404; repeatable, or with commas between them", func(v string) error {
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); !handshake.RoomName(name) {
				return fmt.Errorf("%q is no room's name, which is 1 to 64 of A-Z a-z 0-9 . _ ~ -", name)
			}
			o.rooms = append(o.rooms, name)
		}
		return nil
	})
	fs.IntVar(&o.maxRooms, "max-rooms", 0, "rooms at a time; who asks for one more is refused with 503; 0: what memory allows")
	fs.IntVar(&o.history, "history", 100, "messages that are kept of a room, for those who come or come back; 0: none, and a room is gone with its last member")
	fs.DurationVar(&o.historyAge, "history-age", 24*time.Hour, "time for which messages are kept; 0: for ever")
	fs.Int64Var(&o.historyMemory, "history-memory", 256<<20, "`bytes` of memory for the histories of all rooms; beyond it, the rooms that were silent longest lose theirs first; 0: any amount")
	fs.StringVar(&o.data, "data", "", "`directory` in which rooms and their histories are kept, and outlive the process; it is made if it is not there; empty: in memory alone")
	fs.TextVar(&o.sync, "sync", syncing(time.Second), "`time` after which what has its place is on disk at the latest, with -data; always: a message has its place once it is")

	fs.section("Who may do what")
	fs.StringVar(&o.secret, "secret", "", "`text` that proves who a chat client is when it comes back, of at least 16 bytes; by default a random one, for as long as the process runs; in CHATD_SECRET, or a file, other users of the host can't see it")
	fs.StringVar(&o.secretFile, "secret-file", "", "`file` of secrets, as -secret is one, one a line: the first signs, all verify")
	fs.StringVar(&o.jwtKeyFile, "jwt-key-file", "", "`file` of the key by which clients' tokens (JWT) are verified: a secret for HS256, or a public key in PEM for EdDSA, ES256 or RS256; without one nobody needs a token; read again when it changes")
	fs.StringVar(&o.apiTokenFile, "api-token-file", "", "`file` of bearer tokens, one a line, # begins a comment: who has one may publish, read and remove members by HTTP below /rooms; read again within seconds when it changes; empty: nobody may, and gets 403")
	fs.DurationVar(&o.ban, "ban", 10*time.Minute, "time for which a client that was removed from a room may not come back into it; 0: it may at once")

	fs.section("Limits")
	fs.IntVar(&o.queue, "queue", 256, "messages that may wait for one client; one more, and it is dropped")
	fs.DurationVar(&o.flushInterval, "flush-interval", 0, "a room is written to once in so long, with all that was said meanwhile, or once half of -queue waits: less CPU where more is said, and later; 0: at once")
	fs.IntVar(&o.maxConns, "max-conns", 0, "connections at a time, more have to wait; 0: as many as the file descriptor limit leaves")
	fs.IntVar(&o.maxConnsPerIP, "max-conns-per-ip", 0, "WebSockets at a time from one address, more are refused with 429; other connections: 8 times as many; 0: any number; behind a proxy, name it with -trusted-proxies")
	fs.IntVar(&o.maxHandshakes, "max-handshakes", 10_000, "unfinished handshakes at a time; beyond, an old one is refused with 503; 0: any number")
	fs.IntVar(&o.maxHeader, "max-header", 8<<10, "largest HTTP head in `bytes`; a larger one is refused with 431")
	fs.IntVar(&o.maxMessage, "max-message", 64<<10, "largest message in `bytes`, inflated; a client that sends a larger one is closed with 1009")
	fs.IntVar(&o.maxFragments, "max-fragments", 4096, "fragments of a message; a client that sends more is closed with 1008; 0: any number")
	fs.Int64Var(&o.rateMessages, "rate-messages", 0, "messages per second that a client, or a token of -api-token-file, may send, after a burst of one second; 0: any number")
	fs.Int64Var(&o.rateBytes, "rate-bytes", 0, "`bytes` per second that a client, or a token of -api-token-file, may send, after a burst of one second; 0: any number")
	fs.Int64Var(&o.rateControls, "rate-controls", 100, "pings and unasked pongs per second that a client may send, after a burst of one second; 0: any number")
	fs.BoolVar(&o.rateClose, "rate-close", false, "close a client that exceeds one of the rates with 1008; otherwise it is not read for a while")

	fs.section("Times")
	fs.DurationVar(&o.handshakeTimeout, "handshake-timeout", 5*time.Second, "time for a connection to send its whole HTTP head, or a request with its body; then it is closed")
	fs.DurationVar(&o.pingInterval, "ping-interval", 54*time.Second, "silence after which, at the latest, a client is pinged; after two it is closed, unless it still takes what was sent before the ping; 0: never")
	fs.DurationVar(&o.idleTimeout, "idle-timeout", 0, "time without a message from a client after which it is closed with 1008; one that was not read yet counts; 0: never")
	fs.DurationVar(&o.writeTimeout, "write-timeout", 30*time.Second, "time in which a client acknowledges nothing of what waits for it after which it is closed with 1013; 0: never")
	fs.DurationVar(&o.drainTimeout, "drain-timeout", 10*time.Second, "time for a client that leaves, or is dropped, to take what is queued for it; also bounds the shutdown")
	fs.DurationVar(&o.drainSpread, "drain-spread", 0, "time over which clients are sent away at the shutdown, so that they don't all come back at once")

	fs.section("Rooms that span nodes")
	o.nats.Add(fs.FlagSet)

	fs.section("Operation")
	fs.IntVar(&o.workers, "workers", runtime.GOMAXPROCS(0), "worker `threads`; the default is what Go uses: GOMAXPROCS, or the CPUs as far as quota and affinity allow")
	fs.TextVar(&o.ioUring, "io-uring", ioUring(true), "`auto` or off: write to many clients with one system call where the kernel lets us")
	fs.BoolVar(&o.compress, "compress", true, "agree to permessage-deflate: a message is compressed once for all who asked for it")
	fs.TextVar(&o.admin, "admin", listen.Address{}, "`host:port` or unix:/path for metrics, health, profiles and the table of connections; not for the public; empty: none")
	fs.list("admin-host", "a host's `name` that the admin port answers to, besides localhost and its IP address; repeatable", func(v string) error {
		host, err := parseHost(v)
		o.adminHosts = append(o.adminHosts, host)
		return err
	})
	fs.TextVar(&o.logLevel, "log-level", slog.LevelInfo, "`level` of the log: debug, info, warn or error")
	fs.TextVar(&o.logFormat, "log-format", logging.Text, "`format` of the log: text or json")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")

	fs.BoolVar(&o.verifyState, upgrade.Flag, false, "")
	return fs
}

const help = `chatd is a chat and broadcast server for very many connections.

Usage:
  chatd [flags]           run the server
  chatd chat [flags] URL  chat in a terminal, or in a pipe
  chatd check [-conns N]  tell how many connections this host can hold
  chatd check -nats URL   tell whether rooms can span nodes by that NATS
  chatd nats init|show    make its streams, and show them
  chatd upgrade [PATH]    have a running server replace its program, and keep its connections

Each flag is also an environment variable: -max-conns is CHATD_MAX_CONNS, with commas where a flag is repeatable. A flag wins.
`

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	fs := o.flags()
	var err error
	o.given, err = fs.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(out, help)
		fs.printSections(out)
		return o, err
	}
	if err != nil {
		return o, fmt.Errorf("%s (chatd -help lists the flags)", oneLine(err))
	}
	return o, o.check()
}

// check refuses values that make no sense.
func (o options) check() error {
	switch {
	case o.queue < 1 || o.queue > maxQueue:
		return fmt.Errorf("-queue is %d: must be 1 to %d", o.queue, maxQueue)
	case o.flushInterval < 0 || o.flushInterval > maxFlushInterval:
		return fmt.Errorf("-flush-interval is %s: must be 0, for at once, to %s", o.flushInterval, maxFlushInterval)
	case o.workers < 1 || o.workers > maxWorkers:
		return fmt.Errorf("-workers is %d: must be 1 to %d", o.workers, maxWorkers)
	case o.rateClose && o.rateMessages == 0 && o.rateBytes == 0 && o.rateControls == 0:
		return errors.New("-rate-close is without effect: -rate-messages, -rate-bytes and -rate-controls are all 0")
	case o.proxyProtocol && o.trustedProxies.None():
		return errors.New("-proxy-protocol believes nobody without -trusted-proxies: name the proxies, as in -trusted-proxies 10.0.0.0/8")
	case o.maxMessage < 1:
		return fmt.Errorf("-max-message is %d: must be at least 1 byte", o.maxMessage)
	case o.maxMessage > 1<<30:
		return fmt.Errorf("-max-message is %d: must be at most %d bytes", o.maxMessage, 1<<30)
	case o.maxHeader < 256 || o.maxHeader > poller.ScratchSize:
		return fmt.Errorf("-max-header is %d: must be 256 to %d bytes", o.maxHeader, poller.ScratchSize)
	case o.history < 0 || o.history > maxHistory:
		return fmt.Errorf("-history is %d: must be 0 to %d", o.history, maxHistory)
	case o.historyAge > 0 && o.historyAge < time.Second:
		return fmt.Errorf("-history-age is %s: must be at least %s, or 0, for ever; -history 0 keeps nothing", o.historyAge, time.Second)
	case o.historyMemory > 0 && o.historyMemory < minHistoryMemory:
		return fmt.Errorf("-history-memory is %d: must be at least %d bytes, or 0, for any amount; -history 0 keeps nothing", o.historyMemory, minHistoryMemory)
	case o.handshakeTimeout <= 0 || o.handshakeTimeout > maxTimeout:
		return fmt.Errorf("-handshake-timeout is %s: must be more than 0 and at most %s", o.handshakeTimeout, maxTimeout)
	}
	if o.pingInterval > 0 && o.pingInterval < room.TickInterval {
		return fmt.Errorf("-ping-interval is %s: must be 0, for never, or at least %s, the grain of the server's clock", o.pingInterval, room.TickInterval)
	}
	for _, limit := range []struct {
		name  string
		value int64
	}{
		{"max-conns", int64(o.maxConns)}, {"max-conns-per-ip", int64(o.maxConnsPerIP)}, {"max-rooms", int64(o.maxRooms)}, {"max-handshakes", int64(o.maxHandshakes)},
		{"history-memory", o.historyMemory}, {"max-fragments", int64(o.maxFragments)}, {"rate-messages", o.rateMessages}, {"rate-bytes", o.rateBytes}, {"rate-controls", o.rateControls},
	} {
		if limit.value < 0 || limit.value > 1<<40 {
			return fmt.Errorf("-%s is %d: must be 0 to %d", limit.name, limit.value, int64(1<<40))
		}
	}
	for _, timeout := range []struct {
		name  string
		value time.Duration
	}{
		{"history-age", o.historyAge}, {"ban", o.ban}, {"drain-timeout", o.drainTimeout}, {"drain-spread", o.drainSpread}, {"ping-interval", o.pingInterval},
		{"idle-timeout", o.idleTimeout}, {"write-timeout", o.writeTimeout},
	} {
		if timeout.value < 0 || timeout.value > maxTimeout {
			return fmt.Errorf("-%s is %s: must be 0 to %s", timeout.name, timeout.value, maxTimeout)
		}
	}
	if err := o.checkSecret(); err != nil {
		return err
	}
	if o.given["api-token-file"] && o.apiTokenFile == "" {
		return errors.New("-api-token-file is empty: name a file")
	}
	if err := o.checkData(); err != nil {
		return err
	}
	if err := o.checkNATS(); err != nil {
		return err
	}
	if err := o.tls.Check(o.given); err != nil {
		return err
	}
	return o.checkAddresses()
}

// What no host has, and far within what the server can count.
const (
	maxQueue   = 1 << 30
	maxWorkers = 4096
)

// maxFlushInterval is as long as anybody may be thought to wait for what others say.
const maxFlushInterval = time.Second

// A room is held up while its history is encoded for its first reader of another
// dialect, and that takes about a microsecond a message. What is kept has at least
// a few hundred bytes a room.
const (
	maxHistory       = 100_000
	minHistoryMemory = 64 << 10
)

// maxTimeout is far within what the server's clock can count.
const maxTimeout = 365 * 24 * time.Hour

// room is the part of the options that the room package is told.
func (o options) room() room.Config {
	return room.Config{
		Queue:             o.queue,
		FlushInterval:     o.flushInterval,
		MaxMessage:        o.maxMessage,
		Compress:          o.compress,
		MaxConnsPerSource: o.maxConnsPerIP,
		MaxRooms:          o.maxRooms,
		Rooms:             o.rooms,
		MaxHandshakes:     o.maxHandshakes,
		MaxHead:           o.maxHeader,
		MaxFragments:      o.maxFragments,
		RateMessages:      o.rateMessages,
		RateBytes:         o.rateBytes,
		RateControls:      o.rateControls,
		RateClose:         o.rateClose,
		History:           o.history,
		HistoryAge:        o.historyAge,
		HistoryMemory:     o.historyMemory,
		Ban:               o.ban,
		HandshakeTimeout:  o.handshakeTimeout,
		PingInterval:      o.pingInterval,
		IdleTimeout:       o.idleTimeout,
		WriteTimeout:      o.writeTimeout,
		DrainTimeout:      o.drainTimeout,
		DrainSpread:       o.drainSpread,
		TrustedProxies:    o.trustedProxies,
		ProxyProtocol:     o.proxyProtocol,
		AllowOrigin:       o.allowOrigin,
		Subprotocols:      o.subprotocols,
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
