package admin

import (
	"context"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"chatd/poller"
	"chatd/poller/tls13"
)

// NewPassTime makes the histogram of the passes' durations.
func NewPassTime() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "chatd_pass_duration_seconds", Help: "Time that it takes to write what is new in a room to all its members in one shard.",
		Buckets: prometheus.ExponentialBuckets(10e-6, 2, 20), // 10 µs to 5.2 s
	})
}

// NewPlaceTime makes the histogram of the time until a message has its place.
func NewPlaceTime() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "chatd_publish_duration_seconds", Help: "Time until what is published has its place, where rooms outlive the process or are shared.",
		Buckets: prometheus.ExponentialBuckets(10e-6, 4, 11), // 10 µs to 10 s
	})
}

// NewLag makes the histogram of the members that are behind.
func NewLag() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "chatd_lag_messages", Help: "Messages that wait for a member that is behind; each such member is observed once a second.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 11), // 1 to 1024
	})
}

// Registry makes the registry of everything that s has.
func Registry(s Source) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		s.PassTime, s.PlaceTime, s.Lag, &collector{s},
	)
	if s.NATS != nil {
		r.MustRegister(s.NATS.PublishTime, natsCollector{s.NATS})
	}
	return r
}

// collector reads the server's own counters when they are asked for.
type collector struct{ s Source }

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	connections = desc("chatd_connections", "Open connections.")
	members     = desc("chatd_members", "Members of rooms on this node; a client that is in several counts in each.")
	rooms       = desc("chatd_rooms", "Rooms.")
	handshakes  = desc("chatd_handshakes_in_flight", "Connections whose handshake is not done.")
	maxConns    = desc("chatd_max_connections", "Connections that are taken at a time.")
	draining    = desc("chatd_draining", "1 while the server goes away.")
	paused      = desc("chatd_accept_paused", "1 while new connections have to wait.", "reason")
	lagging     = desc("chatd_lagging_members", "Members whose socket takes no more at the moment.")
	logSegments = desc("chatd_log_segments", "Segments of the rooms' logs that a member has yet to read.")
	logBytes    = desc("chatd_log_bytes", "Memory of these segments.")
	queueDepth  = desc("chatd_pool_queue_depth", "Tasks that wait for a worker.")
	workers     = desc("chatd_pool_workers", "Workers.")
	buildInfo   = desc("chatd_build_info", "What is running; always 1.", "version", "go_version")

	accepted   = desc("chatd_accepted_total", "Connections that were accepted.")
	joined     = desc("chatd_joined_total", "Clients that became members of a room.")
	created    = desc("chatd_rooms_created_total", "Rooms that were made, for their first member.")
	removed    = desc("chatd_rooms_removed_total", "Rooms that were removed, having neither members nor history any more.")
	messages   = desc("chatd_messages_total", "Messages that were published.")
	due        = desc("chatd_deliveries_due_total", "Messages times the members that were present.")
	deliveries = desc("chatd_deliveries_total", "Messages that were written whole to a member's socket.")
	lost       = desc("chatd_deliveries_lost_total", "Messages that were due to a client and not written whole when it was given up.")
	received   = desc("chatd_received_bytes_total", "Bytes that were read from sockets.")
	sent       = desc("chatd_sent_bytes_total", "Bytes that were written to members' sockets.")
	failures   = desc("chatd_handshake_failures_total", "Handshakes that were refused or given up.", "reason")
	dropped    = desc("chatd_dropped_total", "Members that the server sent away or lost.", "reason")
	throttled  = desc("chatd_throttled_total", "Times that a client was not read for a while because it exceeded a limit.", "limit")
	rejected   = desc("chatd_rejected_events_total", "Events of chat clients that were answered with an error.", "code")
	pauses     = desc("chatd_accept_pauses_total", "Times that new connections had to wait.", "reason")
	panics     = desc("chatd_panics_total", "Bugs that cost a connection.")
	linesLost  = desc("chatd_log_lines_lost_total", "Lines that the server's own log did not take.")
	compressed = desc("chatd_compressed_messages_total", "Messages that were compressed for the members that asked for it.")
	input      = desc("chatd_compression_input_bytes_total", "Bytes of the compressed messages before.")
	output     = desc("chatd_compression_output_bytes_total", "Bytes of the compressed messages after.")
	kept       = desc("chatd_history_messages", "Messages that the rooms' histories keep.")
	keptBytes  = desc("chatd_history_bytes", "Memory of the rooms' histories.")
	caughtUp   = desc("chatd_catch_up_bytes_total", "Bytes that members were sent of what was said before they came.")
	resumes    = desc("chatd_resumes_total", "Joins with a position, by whether everything since then was there.", "outcome")
	gaps       = desc("chatd_gaps_total", "Joins with a position since which messages are missing.", "reason")
	keyReloads = desc("chatd_token_key_reloads_total", "Changes of the file of the clients' tokens' key, by whether it was replaced.", "outcome")
	apiReloads = desc("chatd_api_token_reloads_total", "Changes of the file of the programs' tokens, by whether they were replaced.", "outcome")
	certExpiry = desc("chatd_tls_certificate_expiry_seconds", "When a certificate expires, in seconds since 1970; 0: there is none yet.", "name")
	certLoads  = desc("chatd_tls_certificate_reloads_total", "Changes of certificates, by whether they were replaced.", "outcome")
	tlsDone    = desc("chatd_tls_handshakes_total", "TLS handshakes that were done, by whether a session was resumed.", "kind")
	tlsFailed  = desc("chatd_tls_handshake_failures_total", "TLS handshakes that failed; protocol_version: of clients that are too old.", "reason")
	tlsBroken  = desc("chatd_tls_broken_streams_total", "TLS streams that ended without saying so (truncated), or broke the rules (broken).", "kind")
	requests   = desc("chatd_api_requests_total", "Requests of programs for rooms, but for events, by route and class of the status.", "route", "class")
	published  = desc("chatd_api_messages_total", "Messages that programs published; a repeated one was there already.", "outcome")
	unplaced   = desc("chatd_publish_failures_total", "Messages that were not taken, because the rooms' order could not be reached, or kept.")
	skipped    = desc("chatd_order_gaps_total", "Gaps in the rooms' order that members were told of while they were there.")
	available  = desc("chatd_order_available", "1 while what is published can have its place.")
	keptOnDisk = desc("chatd_data_messages", "Messages that are kept on disk.")
	dataBytes  = desc("chatd_data_bytes", "Size of the file that they are in.")
	commits    = desc("chatd_data_commits_total", "Times that it was written, by whether it could be.", "outcome")
	inflated   = desc("chatd_inflated_messages_total", "Messages that came compressed.")
	upgrades   = desc("chatd_upgrades_total", "Upgrades in place that were asked for; all but those that are done had the server go on as it was.", "outcome")
	unserved   = desc("chatd_upgrade_unserved_seconds", "For how long nobody was served in the last upgrade in which that was so.")
	upgraded   = desc("chatd_upgrade_connections", "Connections in the last upgrade that was done, by whether they were carried or left.", "fate")
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		connections, members, rooms, handshakes, maxConns, draining, paused, lagging, logSegments, logBytes, queueDepth, workers, buildInfo,
		accepted, joined, created, removed, messages, due, deliveries, lost, received, sent, failures, dropped, throttled, rejected, pauses, panics, linesLost,
		compressed, input, output, inflated, kept, keptBytes, caughtUp, resumes, gaps, requests, published, keyReloads, apiReloads, certExpiry, certLoads, tlsDone, tlsFailed, tlsBroken,
		unplaced, skipped, available, keptOnDisk, dataBytes, commits, upgrades, unserved, upgraded,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	byLabel := func(d *prometheus.Desc, counts map[string]uint64) {
		for label, n := range counts {
			count(d, n, label)
		}
	}
	st := c.s.Server.Stats()
	gauge(connections, float64(st.Conns))
	gauge(members, float64(st.Members))
	gauge(rooms, float64(st.Rooms))
	gauge(handshakes, float64(st.Handshakes))
	gauge(maxConns, float64(c.s.MaxConns))
	gauge(draining, oneIf(c.s.Server.Draining()))
	gauge(lagging, float64(st.Lagging))
	gauge(queueDepth, float64(c.s.Pool.Queued()))
	gauge(workers, float64(c.s.Pool.Workers()))
	gauge(buildInfo, 1, c.s.Version, runtime.Version())

	// A server that is too busy to answer leaves these out.
	ctx, cancel := context.WithTimeout(context.Background(), questionTimeout)
	defer cancel()
	if segments, bytes, err := c.s.Server.LogSize(ctx); err == nil {
		gauge(logSegments, float64(segments))
		gauge(logBytes, float64(bytes))
	}

	count(accepted, st.Accepted)
	count(joined, st.Joined)
	count(created, st.Born)
	count(removed, st.Removed)
	count(messages, st.Messages)
	count(due, st.Due)
	count(deliveries, st.Delivered)
	count(lost, st.Lost)
	count(received, st.Received)
	count(sent, st.Sent)
	gauge(kept, float64(st.KeptMessages))
	gauge(keptBytes, float64(st.KeptBytes))
	count(caughtUp, st.CaughtUp)
	byLabel(resumes, st.Resumed)
	byLabel(gaps, st.Gaps)
	byLabel(failures, st.Refused)
	byLabel(dropped, st.Dropped)
	byLabel(throttled, st.Throttled)
	byLabel(rejected, st.Rejected)
	for p, reason := range map[poller.Pause]string{poller.Full: "max_conns", poller.Exhausted: "descriptors"} {
		times, now := c.s.pauses(p)
		count(pauses, times, reason)
		gauge(paused, oneIf(now), reason)
	}
	count(panics, c.s.Pool.Panics()+st.TLSFailures[tls13.Panicked.String()])
	count(linesLost, c.s.LogLinesLost())
	count(compressed, st.Compressed)
	count(input, st.CompressedInput)
	count(output, st.CompressedOutput)
	count(inflated, st.Inflated)
	count(published, st.Published, "new")
	count(published, st.Repeated, "repeated")
	count(unplaced, st.Unplaced)
	count(skipped, st.Skipped)
	gauge(available, oneIf(c.s.Server.Unavailable() == nil))
	if c.s.Store != nil {
		st := c.s.Store.Stats()
		gauge(keptOnDisk, float64(st.Messages))
		gauge(dataBytes, float64(st.Bytes))
		count(commits, st.Commits, "written")
		count(commits, st.Failures, "failed")
	}
	up := c.s.Upgrades.Totals()
	for outcome, n := range up.Of {
		count(upgrades, n, string(outcome))
	}
	gauge(unserved, up.Unserved.Seconds())
	gauge(upgraded, float64(up.Carried), "carried")
	gauge(upgraded, float64(up.Left), "left")
	c.s.API.Requests(func(route, class string, n uint64) { count(requests, n, route, class) })
	reloads := func(d *prometheus.Desc, done, failed uint64) {
		count(d, done, "replaced")
		count(d, failed, "failed")
	}
	if key := c.s.TokenKey; key != nil {
		done, failed := key.Reloads()
		reloads(keyReloads, done, failed)
	}
	if tokens := c.s.APITokens; tokens != nil {
		done, failed := tokens.Reloads()
		reloads(apiReloads, done, failed)
	}
	if certs := c.s.Certs; certs != nil {
		byLabel(tlsDone, st.TLSHandshakes)
		byLabel(tlsFailed, st.TLSFailures)
		count(tlsBroken, st.TLSTruncated, "truncated")
		count(tlsBroken, st.TLSBroken, "broken")
		for _, e := range certs.Expiries() {
			gauge(certExpiry, float64(e.At.Unix()), e.Name)
		}
		done, failed := certs.Reloads()
		reloads(certLoads, done, failed)
	}
}
