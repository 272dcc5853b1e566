// Package result is what a run of the harness finds out: the figures of one
// scenario against one server, and the comparison of several servers. Its JSON
// is what -json writes; Schema counts up when a field changes its meaning.
package result

import "time"

// Schema is the version of the JSON.
const Schema = 1

// The scenarios of a comparison in which clients read server-sent events, those of
// our server beside raw members.
const (
	Events       = "events " // they begin so
	EventsIdle   = Events + "idle"
	EventsFanout = Events + "fanout"
)

// The scenarios of a comparison in which clients speak TLS, beside others of our server
// that don't.
const (
	Secure        = "wss " // they begin so
	SecureIdle    = Secure + "idle"
	SecureFanout  = Secure + "fanout"
	SecureFlood   = Secure + "flood"
	SecureStuck   = Secure + "stuck"
	SecureStorm   = Secure + "storm"
	SecureResumed = SecureStorm + Resumed
	Resumed       = ", resumed" // ends that in which sessions are resumed
)

// Run is one run of a scenario against one server. Figures that the scenario
// does not have are absent.
type Run struct {
	Schema   int       `json:"schema"`
	Scenario string    `json:"scenario"`          // idle, fanout, flood, storm, stuck, ramp, rooms, herd, publish, upgrade, or one of those of events or over TLS
	Server   string    `json:"server"`            // a name; the URL if it has none
	Dialect  string    `json:"dialect,omitempty"` // what was spoken: chat, events, centrifuge, centrifuge-events or mercure; absent: raw
	Started  time.Time `json:"started"`
	Params   Params    `json:"params"`

	Seconds    float64 `json:"seconds"`                  // measured time, without warm-up
	Messages   uint64  `json:"messages,omitempty"`       // sent in that time
	Deliveries uint64  `json:"deliveries,omitempty"`     // received in that time, by all clients
	Offered    float64 `json:"offered_per_s,omitempty"`  // deliveries per second that were asked for
	Achieved   float64 `json:"achieved_per_s,omitempty"` // deliveries per second that came

	// FrameBytes is what a delivery takes on a connection: frames that had messages
	// in them, their headers included.
	FrameBytes float64 `json:"frame_bytes_per_delivery,omitempty"`

	// Delivery is the latency of each delivery, Last that of each message's
	// last delivery, both from the time at which sending was due.
	Delivery *Latency `json:"delivery,omitempty"`
	Last     *Latency `json:"last,omitempty"`

	ServerCPU    *CPU    `json:"server_cpu,omitempty"`    // of the server's process
	PerMessage   *Cost   `json:"per_message,omitempty"`   // what a message, to all its clients, costs the server
	GeneratorCPU *CPU    `json:"generator_cpu,omitempty"` // of the harness
	Busy         float64 `json:"generator_busy"`          // share of its time that the harness's loop worked, 0 to 1

	Memory     *Memory   `json:"memory,omitempty"`
	Handshakes *Rate     `json:"handshakes,omitempty"` // connects per second and CPU of each
	Stuck      *Stuck    `json:"stuck,omitempty"`
	Ramp       *Ramp     `json:"ramp,omitempty"`
	Flood      *Flood    `json:"flood,omitempty"` // beside which the figures above were taken
	Rooms      *Rooms    `json:"rooms,omitempty"`
	Herd       *Herd     `json:"herd,omitempty"`
	Publish    *Publish  `json:"publish,omitempty"`
	Upgrades   *Upgrades `json:"upgrades,omitempty"`

	Faults   Faults   `json:"faults"`
	Warnings []string `json:"warnings,omitempty"`
}

// Params is how a scenario was run.
type Params struct {
	Clients      int     `json:"clients"`
	Rooms        int     `json:"rooms,omitempty"`   // that the clients are spread over; 0 or 1: one, that of the URL
	Senders      int     `json:"senders,omitempty"` // publishers, if that is the scenario
	MessageBytes int     `json:"message_bytes,omitempty"`
	Rate         float64 `json:"rate,omitempty"`        // messages per second, open loop
	Outstanding  int     `json:"outstanding,omitempty"` // messages, closed loop
	StuckClients int     `json:"stuck_clients,omitempty"`
	Lagging      int     `json:"lagging_clients,omitempty"` // that read now and then
	HostilePeers int     `json:"hostile_peers,omitempty"`
	Staying      int     `json:"staying,omitempty"` // clients that are not cut, besides Clients that are
	Missed       int     `json:"missed,omitempty"`  // messages of each room before those that were cut come back
}

// Latency is in milliseconds.
type Latency struct {
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

// CPU is processor time in microseconds for each delivery (for each handshake
// in Rate, for each message in Cost).
type CPU struct {
	User   float64 `json:"user_us"`
	System float64 `json:"system_us"`
}

// Cost is what each message cost the server's process, beside what it did
// meanwhile.
type Cost struct {
	CPU         CPU     `json:"cpu"`
	Voluntary   float64 `json:"voluntary_switches"`     // times that a thread waited: it is woken as often
	Involuntary float64 `json:"involuntary_switches"`   // times that a thread had to give way
	Syscalls    float64 `json:"system_calls,omitempty"` // if they were counted
}

// Total is user and system time.
func (c CPU) Total() float64 { return c.User + c.System }

// Memory is what the server's process holds.
type Memory struct {
	RSS     uint64  `json:"rss_bytes"`
	PerConn float64 `json:"rss_bytes_per_conn,omitempty"` // slope over several numbers of connections
	Files   int     `json:"files"`
	Threads int     `json:"threads"`
}

// Rate is how fast something was done, and what it cost the server.
type Rate struct {
	PerSecond float64 `json:"per_s"`
	CPU       *CPU    `json:"cpu,omitempty"`
}

// Stuck is how a server coped with clients that never read.
type Stuck struct {
	Dropped       int     `json:"dropped"`        // of the stuck clients
	FirstDropped  uint64  `json:"first_dropped"`  // messages sent when the first was seen to be dropped
	RSSWithout    uint64  `json:"rss_without"`    // bytes, healthy clients only
	RSSWith       uint64  `json:"rss_with"`       // bytes, at the most, with the stuck ones
	HealthyLosses uint64  `json:"healthy_losses"` // deliveries
	HealthyP99    float64 `json:"healthy_p99_ms"`
}

// Ramp is the highest rate that a server sustained.
type Ramp struct {
	Sustained float64 `json:"sustained_per_s"` // messages per second
	Failed    float64 `json:"failed_per_s"`    // the rate that was too much
	Why       string  `json:"why"`
}

// Flood is a room beside the others that was flooded.
type Flood struct {
	Outstanding int     `json:"outstanding"` // messages, closed loop
	Clients     int     `json:"clients"`
	Achieved    float64 `json:"achieved_per_s"` // deliveries per second
}

// Rooms is how a load on many rooms compares with another one, in turn.
type Rooms struct {
	Versus string `json:"versus"` // flood: the same beside a flooded room; single: one room that gets all messages; raw: the same in raw frames
	Pairs  []Pair `json:"pairs"`
}

// Pair is two runs, one after the other.
type Pair struct {
	Base    Run `json:"base"`    // without the flood, the single room, or raw frames
	Against Run `json:"against"` // with it, many rooms, or frames of another dialect
}

// Herd is clients that were cut all at once and came back, each from where it was,
// while messages went on.
type Herd struct {
	CaughtUp float64  `json:"caught_up_s"`    // from when the first began to connect until all had heard what they missed; 0: not all did
	Each     *Latency `json:"each,omitempty"` // the same for each of them by itself

	// Stayed is the latency of the deliveries to those who stayed, of messages that
	// were due in that time, Calm of those due in an equal time after it.
	Stayed *Latency `json:"stayed,omitempty"`
	Calm   *Latency `json:"calm,omitempty"`

	CPU       *CPU   `json:"cpu,omitempty"`        // of the server in that time, for each that came back
	RSSBefore uint64 `json:"rss_before,omitempty"` // bytes, when all were there, before they were cut
	RSSPeak   uint64 `json:"rss_peak,omitempty"`   // bytes, at the most, while they came back
}

// Added is what the server's memory grew by.
func (h *Herd) Added() uint64 { return max(h.RSSPeak, h.RSSBefore) - h.RSSBefore }

// Upgrades is how a server replaced its program, again and again.
type Upgrades struct {
	Before *Memory   `json:"before,omitempty"` // of the server, when all were there
	Each   []Upgrade `json:"each"`
}

// Upgrade is one of them.
type Upgrade struct {
	Took     float64 `json:"took_s"`     // from when it was asked for until it was done
	Unserved float64 `json:"unserved_s"` // of that: as the server says
	Behind   int     `json:"behind"`     // members, when it was asked for, whose sockets took no more
	Carried  int     `json:"carried"`    // connections
	Left     int     `json:"left"`       // connections that were not carried

	// Delivery is the latency of the deliveries of messages that were due in the time
	// around it.
	Delivery *Latency `json:"delivery,omitempty"`
	Window   float64  `json:"window_s"`

	Faults uint64  `json:"faults"` // of all clients since the beginning, as far as they are known then
	Memory *Memory `json:"memory"` // of the server, once it was done
}

// Publish is what publishers by HTTP saw.
type Publish struct {
	PerSecond float64  `json:"per_s"`             // messages that were acknowledged
	Latency   *Latency `json:"latency,omitempty"` // from when a publish was due until it was acknowledged
	Refused   uint64   `json:"refused"`           // times that one was told to come again, and did so at once, in all
}

// Faults is what went wrong. A correct server under a load that it can bear
// has none.
type Faults struct {
	Lost         uint64 `json:"lost"`          // deliveries that never came
	Duplicated   uint64 `json:"duplicated"`    // deliveries that came again
	Disordered   uint64 `json:"disordered"`    // deliveries that came before an earlier message of the same sender
	OrderDiffers uint64 `json:"order_differs"` // clients that heard everything, but in another order than most
	Corrupt      uint64 `json:"corrupt"`       // deliveries that were not what was sent
	Foreign      uint64 `json:"foreign"`       // deliveries of another room's messages
	Disconnected uint64 `json:"disconnected"`  // clients that the server cut off

	// In dialects that number messages:
	Misnumbered uint64 `json:"misnumbered,omitempty"` // deliveries with another number than the next one, though nothing was missing; messages that a publisher was told another number of
	Gaps        uint64 `json:"gaps,omitempty"`        // times that a client was told, or had to conclude, that it missed something
}

// Any reports whether anything went wrong.
func (f Faults) Any() bool { return f != Faults{} }

// Sum is how much went wrong.
func (f Faults) Sum() uint64 {
	return f.Lost + f.Duplicated + f.Disordered + f.OrderDiffers + f.Corrupt + f.Foreign + f.Disconnected + f.Misnumbered + f.Gaps
}

// Add adds other faults.
func (f *Faults) Add(other Faults) {
	f.Lost += other.Lost
	f.Duplicated += other.Duplicated
	f.Disordered += other.Disordered
	f.OrderDiffers += other.OrderDiffers
	f.Corrupt += other.Corrupt
	f.Foreign += other.Foreign
	f.Disconnected += other.Disconnected
	f.Misnumbered += other.Misnumbered
	f.Gaps += other.Gaps
}

// Comparison is several servers under the same scenarios, interleaved. Its file
// is JSON Lines: the comparison, then each run on a line of its own.
type Comparison struct {
	Schema  int       `json:"schema"`
	Started time.Time `json:"started"`
	Machine Machine   `json:"machine"`
	Command string    `json:"command"` // what reproduces it
	Rounds  int       `json:"rounds"`
	Servers []Server  `json:"servers"`
	Runs    []Run     `json:"-"` // in the order in which they were made
}

// Machine is where a comparison was made.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory uint64 `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
}

// Server is one of those compared.
type Server struct {
	Name    string `json:"name"`
	What    string `json:"what"` // in a few words
	Command string `json:"command"`
}
