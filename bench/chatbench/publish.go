package main

import (
	"context"
	"errors"
	"sync"

	"chatd/bench/load"
	"chatd/bench/result"
)

// publish has publishers publish by HTTP beside members who only listen. What was
// acknowledged must be what they hear, to the message, under the numbers that the
// publishers were told.
func (s *scenario) publish(ctx context.Context, run *result.Run) error {
	listening := *s
	listening.params.Senders = 0
	c, err := newCrowd(&listening, s.spread(), s.params.Clients)
	if err != nil {
		return err
	}
	defer c.close()
	if err := s.connect(ctx, c, 0, s.params.Clients, load.Healthy); err != nil {
		return err
	}
	publishers, err := c.own.Publishers(s.params.Senders)
	if err != nil {
		return err
	}
	defer load.ClosePublishers(publishers)

	publishing, stop := context.WithCancel(ctx)
	var (
		all    sync.WaitGroup
		failed = make([]error, len(publishers))
	)
	for i, p := range publishers {
		all.Go(func() {
			if failed[i] = p.Run(publishing, s.params.Rate/float64(len(publishers))); failed[i] != nil {
				stop() // the others have nothing to show
			}
		})
	}
	err = s.measured(publishing, c, func() uint64 { return sentBy(publishers) }, run)
	stop()
	all.Wait()
	if err := errors.Join(append(failed, err)...); err != nil {
		return err
	}
	run.Publish = &result.Publish{PerSecond: float64(run.Messages) / run.Seconds, Latency: c.own.PublishLatency(publishers)}
	for _, p := range publishers {
		run.Publish.Refused += p.Refused()
	}
	sent := c.own.Published(publishers)
	s.drained(c, sent)
	misplaced := c.own.Misplaced(publishers)
	if err := s.judged(c, sent, run); err != nil {
		return err
	}
	run.Faults.Add(misplaced)
	return nil
}
