package hostile

import (
	"context"
	"fmt"
)

// Kind is one way to be hostile.
type Kind struct {
	Name   string
	Does   string   // what a peer does, and how much of it
	Chatd  string   // what chatd does about it
	Series string   // the counter that shows it, as in /metrics
	Least  float64  // what it has to show in each trial; 0: one for each peer
	Also   string   // another one that has to show something
	Bound  bound    // what chatd takes of the peers, if it limits that
	Flags  []string // chatd's, besides the usual ones
	Size   int      // bytes of the room's messages; 0: 128
	Most   int      // peers at most; 0: as many as the trial has
	Talks  bool     // peers send messages of their own to the room
	Way    Way      // that peers come by

	// One of the two: what one peer does until ctx ends, or all of them.
	one func(ctx context.Context, t Target)
	all func(ctx context.Context, t Target, peers int) error
}

// Way is what peers come by.
type Way uint8

// The ways.
const (
	AnyWay  Way = iota
	Plain       // not by TLS
	Secured     // where TLS is spoken
)

// Comes reports whether peers may come by TLS, or without.
func (k *Kind) Comes(byTLS bool) bool { return k.Way == AnyWay || (k.Way == Secured) == byTLS }

// Beside reports whether peers of that kind may be beside clients that they must not
// disturb, for as long as one likes: they say nothing that is heard, and need neither
// privileges nor the last descriptors.
func (k *Kind) Beside() bool { return k.one != nil && !k.Talks }

// bound is how much a counter may grow: for each peer so much at once, and so
// much a second; and for each message of the healthy.
type bound struct {
	series                   string
	once, perSecond, message float64
}

// most is how much it may grow in some time in which the healthy send messages.
func (b bound) most(peers int, seconds, messages float64) float64 {
	return float64(peers)*(b.once+b.perSecond*seconds) + b.message*messages
}

// Target is the server under attack.
type Target struct {
	Addr  string // host:port
	TLS   bool   // it is spoken there
	PID   int
	Rooms int // that the peers are spread over, as the healthy are; 0 or 1: one, that of /ws
	room  int // of one peer
}

// of is the target of the i-th peer.
func (t Target) of(i int) Target {
	t.room = i % max(t.Rooms, 1)
	return t
}

// request begins a handshake for the peer's room.
func (t Target) request() string {
	path := "/ws"
	if t.Rooms > 1 {
		path = fmt.Sprintf("/ws/r%d", t.room)
	}
	return "GET " + path + " HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
}

// Kinds is all there are.
var Kinds = []*Kind{
	{
		Name: "slow handshakes", Does: "a byte of the HTTP head a second",
		Chatd:  "closes them after -handshake-timeout (here 3 s), whatever has come",
		Series: `chatd_handshake_failures_total{reason="handshake_timeout"}`,
		Flags:  []string{"-handshake-timeout", "3s"},
		one:    slowHandshake,
	},
	{
		Name: "endless headers", Does: "header fields without end, as fast as the socket takes them",
		Chatd:  "answers 431 beyond -max-header",
		Series: `chatd_handshake_failures_total{reason="header_too_large"}`,
		one:    endlessHeaders,
	},
	{
		Name: "half frames", Does: "join, send half of a message, then nothing",
		Chatd:  "gives them up after two -ping-interval (here 1 s)",
		Series: `chatd_dropped_total{reason="ping_timeout"}`,
		Flags:  []string{"-ping-interval", "1s"},
		one:    halfFrame,
	},
	{
		Name: "never reading", Does: "join and never read",
		Chatd:  "drops them when -queue (here 16) overflows, with 1013",
		Series: `chatd_dropped_total{reason="slow_consumer"}`,
		Flags:  []string{"-queue", "16", "-drain-timeout", "1s"}, Size: 4096,
		one: neverReading,
	},
	{
		Name: "zero window", Does: "join, keep the window shut, keep talking",
		Chatd:  "sends them away after -write-timeout (here 1 s), with 1013",
		Series: `chatd_dropped_total{reason="write_timeout"}`,
		Flags:  []string{"-queue", "100000", "-write-timeout", "1s", "-drain-timeout", "1s"}, Size: 4096,
		one: zeroWindow,
	},
	{
		Name: "ping floods", Does: "pings without a pause; 100 a second of each get through",
		Chatd:  "takes -rate-controls (100) a second of each, and lets TCP hold the rest",
		Series: `chatd_throttled_total{limit="controls"}`,
		// What is in the socket at first may be read at once.
		Bound: bound{"chatd_received_bytes_total", 80_000, 100 * pingSize, 2 * messageSize},
		one:   pingFlood,
	},
	{
		Name: "tiny frames", Does: "10,000 empty fragments, or pings, in one write, twice a second",
		Chatd:  "closes them at -max-fragments (4096), with 1008; pings as above",
		Series: `chatd_dropped_total{reason="fragments"}`, Also: `chatd_throttled_total{limit="controls"}`,
		one: tinyFrames,
	},
	{
		Name: "tiny messages", Does: "10,000 messages of one byte in one write, to everybody, once",
		Chatd:  "appends them as the room takes them, -queue (256) at a time at most",
		Series: `chatd_messages_total`, Least: 2 * tinyMany,
		Most: 2, Talks: true,
		one: tinyMessages,
	},
	{
		Name: "tiny messages, limited", Does: "the same",
		Chatd:  "takes -rate-messages (here 25) a second of each, and lets TCP hold the rest",
		Series: `chatd_throttled_total{limit="messages"}`,
		Flags:  []string{"-rate-messages", "25"}, Most: 2, Talks: true,
		Bound: bound{"chatd_messages_total", 25 + 1, 25, 1},
		one:   tinyMessages,
	},
	{
		Name: "connect and reset", Does: "connect and reset, at once or in the head, four times a second",
		Chatd:  "forgets them",
		Series: `chatd_accepted_total`,
		one:    connectAndReset,
	},
	{
		Name: "huge lengths", Does: "join, announce 2^63-1, 2^32 or 65,537 bytes, four times a second",
		Chatd:  "closes them at the header, with 1009",
		Series: `chatd_dropped_total{reason="too_big"}`,
		one:    hugeLength,
	},
	{
		Name: "vanishing", Does: "join from another network and answer pings, but its link is cut: no FIN, no RST",
		Chatd:  "gives them up after two -ping-interval (here 1 s)",
		Series: `chatd_dropped_total{reason="ping_timeout"}`,
		Flags:  []string{"-ping-interval", "1s"},
		all:    vanish,
	},
	{
		Name: "descriptors run out", Does: "connect when chatd has 100 descriptors left",
		Chatd:  "stops accepting, says so once, and goes on when some are free",
		Series: `chatd_accept_pauses_total{reason="descriptors"}`, Least: 1,
		Flags: []string{"-handshake-timeout", "1s"},
		Way:   Plain, // there is none they come by
		all:   exhaustDescriptors,
	},
	{
		Name: "TLS and garbage", Does: "a ClientHello byte by byte, or random bytes, four times a second",
		Chatd:  "answers 400 at the first byte that can't be HTTP",
		Series: `chatd_handshake_failures_total{reason="bad_request"}`,
		Way:    Plain,
		one:    garbage,
	},
	{
		Name: "compressed bombs", Does: "10 MiB of zeros in 10 KiB, four times a second",
		Chatd:  "stops inflating at -max-message, and closes them with 1009",
		Series: `chatd_dropped_total{reason="too_big"}`,
		one:    bomb,
	},
	{
		Name: "handshakes that stop", Does: "begin a TLS handshake, and stop: before, within or behind the ClientHello",
		Chatd:  "closes them after -handshake-timeout (here 3 s), wherever they are",
		Series: `chatd_handshake_failures_total{reason="handshake_timeout"}`,
		Flags:  []string{"-handshake-timeout", "3s"},
		Way:    Secured,
		one:    handshakeThatStops,
	},
	{
		Name: "handshakes given up", Does: "send a ClientHello and reset, before or behind the answer, four times a second",
		Chatd:  "makes as many at a time as there are processors, and forgets them",
		Series: `chatd_tls_handshake_failures_total{reason="gone"}`,
		Way:    Secured,
		one:    handshakeGivenUp,
	},
	{
		Name: "slow ClientHellos", Does: "a byte of the ClientHello a second",
		Chatd:  "closes them after -handshake-timeout (here 3 s), whatever has come",
		Series: `chatd_handshake_failures_total{reason="handshake_timeout"}`,
		Flags:  []string{"-handshake-timeout", "3s"},
		Way:    Secured,
		one:    slowHello,
	},
	{
		Name: "ClientHellos in pieces", Does: "a ClientHello in records of one byte, good or of 4 KiB of nothing, four times a second",
		Chatd:  "takes the good ones, and answers the others with an alert",
		Series: `chatd_tls_handshakes_total{kind="full"}`, Least: 10, Also: `chatd_tls_handshake_failures_total{reason="malformed"}`,
		Way: Secured,
		one: helloInPieces,
	},
	{
		Name: "no TLS 1.3", Does: "HTTP, TLS 1.2 or random bytes where TLS 1.3 is spoken, four times a second",
		Chatd:  "answers 400, or with the alert protocol_version",
		Series: `chatd_tls_handshake_failures_total{reason="not_tls"}`, Also: `chatd_tls_handshake_failures_total{reason="protocol_version"}`,
		Way: Secured,
		one: noTLS13,
	},
	{
		Name: "empty records", Does: "join, and send records of nothing without a pause",
		Chatd:  "ends the connection at the 17th in a row, with the alert unexpected_message",
		Series: `chatd_tls_broken_streams_total{kind="broken"}`,
		Way:    Secured,
		one:    emptyRecords,
	},
	{
		Name: "KeyUpdates", Does: "join, and change the keys, and have chatd do so, without a pause",
		Chatd:  "ends the connection at the 11th in a second, with the alert unexpected_message",
		Series: `chatd_tls_broken_streams_total{kind="broken"}`,
		Way:    Secured,
		one:    keyUpdates,
	},
	{
		Name: "records that are wrong", Does: "join; a record that is changed, replayed, out of order, too large, of no kind, or no record, four times a second",
		Chatd:  "ends the connection, with the alert that says why",
		Series: `chatd_tls_broken_streams_total{kind="broken"}`,
		Way:    Secured,
		one:    wrongRecords,
	},
	{
		Name: "streams cut off", Does: "join; half of a message, and the end of the socket's stream, four times a second",
		Chatd:  "takes that for a reset: it is not the end of TLS",
		Series: `chatd_tls_broken_streams_total{kind="truncated"}`,
		Way:    Secured,
		one:    cutOff,
	},
}
