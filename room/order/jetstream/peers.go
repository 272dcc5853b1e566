package jetstream

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"chatd/room/order"
)

// A node that has a room tells others what it keeps of it, as the stream would: each
// message with the same headers, and then one that says where it begins. That costs the
// stream's server nothing, and all nodes begin the room at the same place.

// Headers of the end of such an answer.
const (
	headerEpoch  = "Chat-Epoch"
	headerBehind = "Chat-Behind" // the number of the place
	headerAt     = "Chat-Behind-At"
	headerCount  = "Chat-Messages"
)

// peers asks other nodes, and answers them.
type peers struct {
	s       *Source
	answers mailbox // owned by its goroutine

	mu    sync.Mutex
	queue []func(ctx context.Context)
	busy  int

	silent atomic.Int64 // when one did not answer, ns since 1970
}

func newPeers(s *Source) *peers { return &peers{s: s, answers: newMailbox()} }

// ask has m's history come from a node that has it, else from the stream. If one does not
// answer, as it hangs or its machine is gone, others' rooms don't wait for it for a while.
func (p *peers) ask(m *member, round int64, l life) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, func(ctx context.Context) {
		r := m.partition.reader
		if m.round.Load() != round {
			return
		}
		if time.Since(time.Unix(0, p.silent.Load())) < peerSilence {
			r.history(m, round, l)
			return
		}
		behind, kept, err := p.history(ctx, m, l)
		if err != nil {
			if errors.Is(err, errSilent) {
				p.silent.Store(time.Now().UnixNano())
			}
			r.history(m, round, l)
			return
		}
		d := m.partition.dispatcher
		d.mail.put(func() {
			if m.round.Load() != round {
				return
			}
			if p.s.pending.of(m.name) { // what of it is its own only the stream knows
				r.history(m, round, l)
				return
			}
			p.s.stats.peers.Add(1)
			d.began(m, round, l, behind, kept)
		})
	})
	if p.busy < peersAtOnce && p.s.ctx.Err() == nil {
		p.busy++
		p.s.running.Go(p.work)
	}
}

func (p *peers) work() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 || p.s.ctx.Err() != nil {
			p.busy--
			p.mu.Unlock()
			return
		}
		next := p.queue[0]
		p.queue = p.queue[1:]
		p.mu.Unlock()
		next(p.s.ctx)
	}
}

// errOther is that a node's history is of no use.
const errOther failure = "another node's history is not whole, or of another epoch"

// history asks for m's history. Another node may be behind, or say anything.
func (p *peers) history(ctx context.Context, m *member, l life) (behind order.Point, kept []entry, err error) {
	n, count, last := p.s.config.perRoom(), 0, uint64(0)
	err = p.s.replies.ask(ctx, subject(historyOf, m.partition.number, m.token), nil, peerTime, func(msg *nats.Msg) (bool, error) {
		h := msg.Header
		if h.Get("Status") != "" { // nobody has it
			return true, nats.ErrNoResponders
		}
		if told := h.Get(headerCount); told != "" {
			behind.Seq, _ = number(h, headerBehind)
			at, _ := number(h, headerAt)
			behind.At = int64(at)
			last = max(last, behind.Seq)
			if told != strconv.Itoa(count) || h.Get(headerEpoch) != fmt.Sprint(l.epoch(m.token)) || len(kept) > 0 && kept[0].Seq <= behind.Seq {
				return true, errOther
			}
			if more := len(kept) - n; more > 0 {
				behind, kept = kept[more-1].point(), kept[more:]
			}
			return true, nil
		}
		e, ok := parseEntry(msg)
		if !ok || e.Seq <= last {
			return true, errOther
		}
		last = e.Seq
		kept = appendLast(kept, e, n)
		count++
		return false, nil
	})
	if err != nil {
		return order.Point{}, nil, err
	}
	top, err := m.partition.stored(ctx, map[string]any{"last_by_subj": subject(publishedIn, m.partition.number, m.token)})
	if err == nil && (len(kept) == 0 && top.seq > last || len(kept) > 0 && (top.seq != last || top.at != kept[len(kept)-1].At)) {
		err = errOther
	}
	return behind, kept, err
}

// asked has m's room tell another node what it keeps.
func (d *dispatcher) asked(m *member, question *nats.Msg) {
	p := d.s.peers
	none := &nats.Msg{Subject: question.Reply, Header: nats.Header{headerCount: {"-"}}}
	keeper, ok := m.room.(order.Keeper)
	if !ok || m.state == opening {
		p.answers.put(func() { _ = d.s.nc.PublishMsg(none) }) // who asks does not wait for long
		return
	}
	epoch := fmt.Sprint(m.life.epoch(m.token)) // the room's, though the stream may be known to be another
	keeper.Recall(func(behind order.Point, kept []order.Message) {
		p.answers.put(func() { p.answer(question.Reply, epoch, behind, kept) })
	})
}

// answer sends a room's history.
func (p *peers) answer(to, epoch string, behind order.Point, kept []order.Message) {
	for _, m := range kept {
		msg := newMsg(to, "", m)
		msg.Header[headerSequence] = []string{strconv.FormatUint(m.Seq, 10)}
		msg.Header[headerTime] = []string{time.UnixMilli(m.At).UTC().Format(time.RFC3339Nano)}
		if p.s.nc.PublishMsg(msg) != nil {
			return
		}
	}
	end := &nats.Msg{Subject: to, Header: nats.Header{
		headerEpoch:  {epoch},
		headerBehind: {strconv.FormatUint(behind.Seq, 10)},
		headerAt:     {strconv.FormatInt(behind.At, 10)},
		headerCount:  {strconv.Itoa(len(kept))},
	}}
	_ = p.s.nc.PublishMsg(end) // who asks does not wait for long
	p.s.stats.peersAnswered.Add(1)
}

// run is the goroutine that answers.
func (p *peers) run() {
	for {
		select {
		case <-p.answers.wake:
			p.answers.do()
		case <-p.s.ctx.Done():
			return
		}
	}
}
