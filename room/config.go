package room

import (
	"log/slog"
	"net/http"
	"time"

	"chatd/poller/tls13"
	"chatd/room/identity"
	"chatd/room/order"
	"chatd/room/proxy"
	"chatd/room/token"
)

// Path is where the WebSocket of the default room is served; those of the others
// are below it. PagePath is above the rooms' pages, RoomsPath above their events and
// the API.
const (
	Path      = "/ws"
	PagePath  = "/r/"
	RoomsPath = "/rooms/"
)

// TickInterval is how often [Server.Tick] should be called: the grain of all
// timeouts, see time.go.
const TickInterval = 100 * time.Millisecond

// lingerTimeout is how long a socket stays open for its peer to hang up.
const lingerTimeout = 2 * time.Second

// Config is what a Server needs to know. The zero value is not useful; that of
// a limit is none, unless it says otherwise.
type Config struct {
	Queue      int  // messages that may wait for one client
	MaxMessage int  // bytes of a message, over all its fragments, and inflated
	Compress   bool // agree to permessage-deflate (RFC 7692)

	MaxConns          int   // connections at a time; more wait to be accepted
	MaxConnsPerSource int   // WebSockets at a time from one address, and pagesPerChat times as many other connections; more are refused
	MaxHandshakes     int   // unfinished handshakes at a time; more push old ones out
	MaxRooms          int   // at a time; a client that asks for one more is refused
	MaxHead           int   // bytes of an HTTP head; 0: handshake.DefaultMaxHead
	MaxFragments      int   // of a message
	RateMessages      int64 // messages that a client may send in a second
	RateBytes         int64 // bytes …
	RateControls      int64 // pings and unasked pongs …
	RateClose         bool  // whoever sends more is sent away; otherwise its socket is not read for a while

	History       int           // messages that are kept of a room; 0: none
	HistoryAge    time.Duration // for which they are kept; 0: for ever
	HistoryMemory int64         // bytes of memory for them in all rooms: beyond it, those that were silent longest lose theirs; 0: any amount

	Order      order.Source  // where rooms' orders come from; nil: from their hubs
	OrderGrace time.Duration // for which a room without members stays there, whatever it keeps: others share it; 0: as long as it has history

	Nodes order.Nodes // other servers that have the same rooms, in the same Order; nil: there are none

	FlushInterval time.Duration // a room is written to once in so long, what is said meanwhile together; 0: at once

	Ban time.Duration // for which one who was removed from a room may not come back

	HandshakeTimeout time.Duration // for the whole HTTP head, and for a body
	PingInterval     time.Duration // silence after which, at the latest, a client is pinged; after two it is given up (see doubts)
	IdleTimeout      time.Duration // time without a message from a client
	WriteTimeout     time.Duration // time in which a client acknowledges nothing of what waits for it
	DrainTimeout     time.Duration // for what is queued when a client leaves; 0: no time
	DrainSpread      time.Duration // over which everybody is sent away when the server goes away

	TLS *tls13.Acceptor // makes the handshakes for Server.Secure; nil: there are none

	TrustedProxies proxy.Trusted // who is believed, by its address, in what it says of its clients
	ProxyProtocol  bool          // each connection is a trusted proxy's and begins with a PROXY header

	Rooms        []string          // the only rooms that there can be; nil: all
	AllowOrigin  []string          // origins that may connect besides the same one, as handshake.Origin writes them
	Subprotocols []string          // that are agreed to, see handshake.Handshake
	Tokens       *token.File       // the key of the tokens without which nobody may come in; nil: everybody may
	Secrets      *identity.Secrets // that prove who a chat client is; nil: a random one
	Page         http.Handler      // answers every request that is not for Path, but OPTIONS
	API          http.Handler      // answers every request for RoomsPath or below; nil: there is none
	Log          *slog.Logger

	PassTime  Observer // seconds that each pass of a shard takes; nil: not timed
	PlaceTime Observer // seconds until what is published has its place in an Order; nil: not timed
	Lag       Observer // messages that wait for a member that is behind, once a second; nil: not sampled
}

// Observer takes the values of a histogram. Any worker may call it.
type Observer interface{ Observe(float64) }
