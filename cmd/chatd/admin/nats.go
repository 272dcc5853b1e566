package admin

import (
	"github.com/prometheus/client_golang/prometheus"

	"chatd/room/order/jetstream"
)

// NATS is what there is to show of rooms that span nodes.
type NATS struct {
	PublishTime prometheus.Histogram
	Stats       func() jetstream.Stats // may be called from anywhere
}

// NewNATS makes the histogram; Stats is to be set.
func NewNATS() *NATS {
	return &NATS{PublishTime: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "chatd_nats_publish_duration_seconds", Help: "Time until a stream has what is published.",
		Buckets: prometheus.ExponentialBuckets(100e-6, 2, 18), // 100 µs to 13 s
	})}
}

var (
	natsConnected  = desc("chatd_nats_connected", "1 while NATS is connected.")
	natsNodes      = desc("chatd_nats_nodes", "Other nodes that are heard.")
	natsWaiting    = desc("chatd_nats_waiting_messages", "Messages that were published and have not come back.")
	natsFailed     = desc("chatd_nats_failed_messages_total", "Messages that no stream has taken in time.")
	natsCopies     = desc("chatd_nats_copies_total", "Copies of messages that came from the streams.")
	natsDuplicates = desc("chatd_nats_duplicates_total", "Copies of messages that had come before.")
	natsFilled     = desc("chatd_nats_filled_messages_total", "Messages that were read from a stream because their copies did not come.")
	natsResets     = desc("chatd_nats_resets_total", "Streams that were replaced, so that their rooms began anew.")
	natsTailChecks = desc("chatd_nats_tail_checks_total", "Questions whether rooms' last messages have come.")
	natsHistories  = desc("chatd_nats_histories_total", "Histories of rooms, by where they came from: another node, a stream, or a stream as a whole for many rooms.", "from")
	natsAnswered   = desc("chatd_nats_histories_told_total", "Histories of rooms that another node was told.")
	natsReconnects = desc("chatd_nats_reconnects_total", "Times that NATS was connected again.")
	natsSlow       = desc("chatd_nats_slow_consumer_total", "Times that copies were dropped because they were not taken in time.")
)

// natsCollector reads the counters when they are asked for.
type natsCollector struct{ n *NATS }

// Describe implements prometheus.Collector.
func (c natsCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{natsConnected, natsNodes, natsWaiting, natsFailed, natsCopies, natsDuplicates, natsFilled, natsResets, natsTailChecks, natsHistories, natsAnswered, natsReconnects, natsSlow} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c natsCollector) Collect(ch chan<- prometheus.Metric) {
	st := c.n.Stats()
	ch <- prometheus.MustNewConstMetric(natsConnected, prometheus.GaugeValue, oneIf(st.Connected))
	ch <- prometheus.MustNewConstMetric(natsNodes, prometheus.GaugeValue, float64(st.Nodes))
	ch <- prometheus.MustNewConstMetric(natsWaiting, prometheus.GaugeValue, float64(st.Waiting))
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	count(natsFailed, st.Failed)
	count(natsCopies, st.Copies)
	count(natsDuplicates, st.Duplicates)
	count(natsFilled, st.Filled)
	count(natsResets, st.Resets)
	count(natsTailChecks, st.TailChecks)
	count(natsHistories, st.PeersAsked, "peer")
	count(natsHistories, st.Read, "stream")
	count(natsHistories, st.Scans, "scan")
	count(natsAnswered, st.PeersAnswered)
	count(natsReconnects, st.Reconnects)
	count(natsSlow, st.SlowConsumer)
}
