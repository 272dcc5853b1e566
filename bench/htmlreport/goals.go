package htmlreport

import "chatd/bench/result"

// target is a figure that has goals, and the runs that it is from.
type target struct {
	what     string
	unit     string
	format   func(float64) string
	scenario string
	params   result.Params // those that are not zero have to be so
	value    func(result.Run) (float64, bool)
	without  func(result.Run) (float64, bool) // what the value is compared with, if that is not another server's value
	most     bool                             // the most of the rounds counts, not the median
	goals    []goal
}

// goal is what one server's value has to be, as a multiple of the base's if
// there is one.
type goal struct {
	server string
	sign   string
	limit  float64
	base   string
}

const (
	atMost  = "≤"
	atLeast = "≥"
)

// targets is what chatd is to reach. What a channel and two goroutines for
// each client cost is the scale at one end, the floor that at the other.
var targets = []target{
	{what: "CPU per delivery, 1,000 clients × 50 messages/s", unit: "µs", format: short,
		scenario: "fanout", params: result.Params{Clients: 1000, Rate: 50}, value: deliveryCPU,
		goals: []goal{
			{oursPlain, atMost, 1.1, "floor"},
			{ours, atMost, 0.9, "floor"},
			{ours, atMost, 0.45, "channels"},
		}},
	{what: "CPU per delivery, 10,000 clients × 5 messages/s", unit: "µs", format: short,
		scenario: "fanout", params: result.Params{Clients: 10000, Rate: 5}, value: deliveryCPU,
		goals: []goal{
			{oursPlain, atMost, 1, "floor"},
			{ours, atMost, 0.85, "floor"},
			{ours, atMost, 0.4, "channels"},
		}},
	{what: "Flood, 1,000 clients, 16 outstanding", unit: "deliveries/s", format: short,
		scenario: "flood", params: result.Params{Clients: 1000, Outstanding: 16}, value: throughput,
		goals: []goal{
			{oursPlain, atLeast, 0.9, "floor-coalesce"},
			{ours, atLeast, 1.2, "floor-coalesce"},
			{ours, atLeast, 10, "channels"},
		}},
	{what: "Flood, 1,000 clients, 128 outstanding", unit: "deliveries/s", format: short,
		scenario: "flood", params: result.Params{Clients: 1000, Outstanding: 128}, value: throughput,
		goals: []goal{
			{oursPlain, atLeast, 0.85, "floor-coalesce"},
			{ours, atLeast, 1.1, "floor-coalesce"},
			{ours, atLeast, 30, "channels"},
		}},
	{what: "Deliveries lost and clients cut off in it", format: whole,
		scenario: "flood", params: result.Params{Clients: 1000, Outstanding: 128}, value: healthyHarmed, most: true,
		goals: []goal{
			{oursPlain, atMost, 0, ""},
			{ours, atMost, 0, ""},
		}},
	{what: "p99 of each delivery, 1,000 clients × 50 messages/s", unit: "ms", format: short,
		scenario: "fanout", params: result.Params{Clients: 1000, Rate: 50}, value: deliveryP99,
		goals: []goal{{ours, atMost, 1, "floor"}}},
	{what: "Memory per idle connection, 19,000 clients", unit: "bytes", format: whole,
		scenario: "idle", params: result.Params{Clients: 19000}, value: perConn,
		goals: []goal{{ours, atMost, 256, ""}}},
	// The hundredth is for what the process has open besides.
	{what: "Descriptors per idle connection, 19,000 clients", format: thousandths,
		scenario: "idle", params: result.Params{Clients: 19000}, value: filesPerConn,
		goals: []goal{{ours, atMost, 1.01, ""}}},
	{what: "CPU per handshake", unit: "µs", format: short,
		scenario: "storm", value: handshakeCPU,
		goals: []goal{{ours, atMost, 1.2, "floor"}}},
	{what: "Memory with 1,000 stuck clients beside 1,000 healthy", format: mebibytes,
		scenario: "stuck", params: result.Params{Clients: 1000, StuckClients: 1000}, value: rssWith, without: rssWithout,
		goals: []goal{{ours, atMost, 1.1, "without them"}}},
	{what: "Until 10,000 clients who came back had heard 50 missed messages", unit: "s", format: short,
		scenario: "herd", params: result.Params{Clients: 10000, Missed: 50}, value: caughtUp,
		goals: []goal{{ours, atMost, 0.5, centrifuge}}},
	{what: "Memory that they added", format: mebibytes,
		scenario: "herd", params: result.Params{Clients: 10000, Missed: 50}, value: herdAdded,
		goals: []goal{{ours, atMost, 0.15, centrifuge}}},
	{what: "p99 of those who stayed, meanwhile", unit: "ms", format: short,
		scenario: "herd", params: result.Params{Clients: 10000, Missed: 50}, value: stayedP99, without: calmP99,
		goals: []goal{{ours, atMost, 2, "without them"}}},
	{what: "Memory per idle reader of events, 19,000 of them", unit: "bytes", format: whole,
		scenario: result.EventsIdle, params: result.Params{Clients: 19000}, value: perConn,
		goals: []goal{{OursEvents, atMost, 1.1, ours}}},
	{what: "CPU per delivery to a reader of events, 1,000 × 50 messages/s", unit: "µs", format: short,
		scenario: result.EventsFanout, params: result.Params{Clients: 1000, Rate: 50}, value: deliveryCPU,
		goals: []goal{{OursEvents, atMost, 1.1, ours}}},
	{what: "Memory per idle connection over TLS, 19,000 clients", unit: "bytes", format: whole,
		scenario: result.SecureIdle, params: result.Params{Clients: 19000}, value: perConn,
		goals: []goal{{OursSecure, atMost, 512, ""}}},
	{what: "Descriptors per idle connection over TLS", format: thousandths,
		scenario: result.SecureIdle, params: result.Params{Clients: 19000}, value: filesPerConn,
		goals: []goal{{OursSecure, atMost, 1.01, ""}}},
	{what: "CPU per delivery over TLS, 1,000 clients × 50 messages/s", unit: "µs", format: short,
		scenario: result.SecureFanout, params: result.Params{Clients: 1000, Rate: 50}, value: deliveryCPU,
		goals: []goal{{OursSecure, atMost, 1.15, ours}}},
	{what: "Flood over TLS, 1,000 clients, 128 outstanding", unit: "deliveries/s", format: short,
		scenario: result.SecureFlood, params: result.Params{Clients: 1000, Outstanding: 128}, value: throughput,
		goals: []goal{{OursSecure, atLeast, 0.75, ours}}},
	{what: "Memory with 1,000 stuck clients over TLS beside 1,000 healthy", format: mebibytes,
		scenario: result.SecureStuck, params: result.Params{Clients: 1000, StuckClients: 1000}, value: rssWith,
		goals: []goal{{OursSecure, atMost, 1.1, ours}}},
}
