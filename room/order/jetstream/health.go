package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Health is what a cluster can do.
type Health struct {
	Version, URL, Cluster string
	Servers               int // that are known
	Replicas              int // of a stream, at most; 0: not known
	MaxPayload            int64
	RoundTrip             time.Duration
	Publish               time.Duration // 0: not known
	Account               bool          // what follows is known
	Stored                uint64        // bytes
	StoreLimit            int64         // -1: none
	Wrong                 []string
}

// probeStream is made for the examination, and gone with it.
const probeStream = "chat-check"

// Examine finds out what the cluster can do: it makes a stream, publishes into it and
// takes it away.
func (c Config) Examine(ctx context.Context, nc *nats.Conn) (h Health, err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return h, err
	}
	h = Health{
		Version: nc.ConnectedServerVersion(), URL: nc.ConnectedUrlRedacted(), Cluster: nc.ConnectedClusterName(),
		Servers: len(nc.Servers()), MaxPayload: nc.MaxPayload(),
	}
	if err := c.checkServer(nc); err != nil {
		h.Wrong = append(h.Wrong, err.Error())
	}
	if h.RoundTrip, err = nc.RTT(); err != nil {
		return h, err
	}
	account, err := js.AccountInfo(ctx)
	if err != nil {
		h.Wrong = append(h.Wrong, explained(nc, err).Error())
		return h, nil
	}
	h.Account, h.Stored, h.StoreLimit = true, account.Store, account.Limits.MaxStore
	if h.StoreLimit > 0 && h.Stored > uint64(h.StoreLimit)/10*9 {
		h.Wrong = append(h.Wrong, "the account's disk is nearly full: raise max_file of its jetstream limits, or keep less with -history, -history-age and chatd nats init")
	}
	if most := account.Limits.MaxStreams; most > 0 && most < c.Partitions {
		h.Wrong = append(h.Wrong, fmt.Sprintf("the account may have %d streams, and chatd makes %d: raise max_streams of its jetstream limits, or have fewer by -nats-partitions, on all nodes and for good", most, c.Partitions))
	}
	for _, replicas := range []int{3, 1} {
		stream := jetstream.StreamConfig{Name: probeStream, Subjects: []string{"chat.check"}, Storage: jetstream.FileStorage, Replicas: replicas}
		_, err = js.CreateOrUpdateStream(ctx, stream)
		if err == nil {
			h.Replicas = replicas
			break
		}
		if !errors.As(err, new(*jetstream.APIError)) {
			break
		}
	}
	if err != nil {
		h.Wrong = append(h.Wrong, fmt.Sprintf("no stream can be made: %v", explained(nc, err)))
		return h, nil
	}
	defer func() { _ = js.DeleteStream(context.WithoutCancel(ctx), probeStream) }() // it is empty but for a few messages
	if c.Replicas > h.Replicas || c.Replicas == 0 && h.Cluster != "" && h.Replicas < 3 {
		h.Wrong = append(h.Wrong, fmt.Sprintf("streams can't have as many replicas as they are to have: only %d; start more servers, or chatd with -nats-replicas %d", h.Replicas, h.Replicas))
	}
	begun := time.Now()
	const messages = 10
	for range messages {
		if _, err := js.Publish(ctx, "chat.check", nil); err != nil {
			h.Wrong = append(h.Wrong, fmt.Sprintf("what is published is not kept: %v", explained(nc, err)))
			return h, nil
		}
	}
	h.Publish = time.Since(begun) / messages
	if h.Publish > slowPublish {
		h.Wrong = append(h.Wrong, fmt.Sprintf("it takes %s until a message is kept: look at the servers' disks, and the network between them", h.Publish))
	}
	return h, nil
}

// slowPublish is a time that readers of a chat notice.
const slowPublish = 250 * time.Millisecond
