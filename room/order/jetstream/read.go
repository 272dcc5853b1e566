package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// replies gives the answers to what is asked on a connection to who asks.
type replies struct {
	nc    *nats.Conn
	inbox string

	mu    sync.Mutex
	next  uint64
	asked map[string]chan *nats.Msg
}

func newReplies(nc *nats.Conn) (*replies, error) {
	r := &replies{nc: nc, inbox: nats.NewInbox() + ".", asked: make(map[string]chan *nats.Msg)}
	_, err := nc.Subscribe(r.inbox+"*", func(m *nats.Msg) {
		r.mu.Lock()
		to := r.asked[m.Subject]
		r.mu.Unlock()
		if to == nil {
			return // nobody waits any more
		}
		select {
		case to <- m:
		case <-time.After(requestTime): // who asked is stuck, and others wait behind it
		}
	})
	return r, err
}

// errSilent is that no answer came, or no further one.
var errSilent = errors.New("no answer")

// ask asks, and gives each answer to take until that is done. Between answers it waits
// so long.
func (r *replies) ask(ctx context.Context, subject string, body []byte, wait time.Duration, take func(*nats.Msg) (done bool, err error)) error {
	answers := make(chan *nats.Msg, 256)
	r.mu.Lock()
	r.next++
	reply := fmt.Sprint(r.inbox, r.next)
	r.asked[reply] = answers
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.asked, reply)
		r.mu.Unlock()
	}()
	if err := r.nc.PublishRequest(subject, reply, body); err != nil {
		return err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		select {
		case m := <-answers:
			if done, err := take(m); done || err != nil {
				return err
			}
			timeout.Reset(wait)
		case <-timeout.C:
			return errSilent
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// question is one of Direct Get.
type question struct {
	Seq       uint64   `json:"seq,omitempty"`
	Next      string   `json:"next_by_subj,omitempty"`
	Batch     int      `json:"batch,omitempty"`
	MultiLast []string `json:"multi_last,omitempty"`
}

// direct asks the partition's stream, or one of its replicas, which may not have all yet.
// Each message that it has is given to take, with its room's token. It returns how many
// more there are, and up to which number the answer goes.
func (p *partition) direct(ctx context.Context, q question, take func(token string, e entry)) (pending, upTo uint64, err error) {
	body, err := json.Marshal(q)
	if err != nil {
		return 0, 0, err
	}
	err = p.s.replies.ask(ctx, "$JS.API.DIRECT.GET."+streamName(p.number), body, answerTime, func(m *nats.Msg) (bool, error) {
		switch status := m.Header.Get("Status"); status {
		case "":
			_, token, ok := cut(m.Header.Get(headerSubject))
			e, parsed := parseEntry(m)
			if !ok || !parsed {
				return true, fmt.Errorf("stream %s: what it has can't be read", streamName(p.number))
			}
			take(token, e)
			return false, nil
		case "204": // the end
			pending, _ = number(m.Header, headerPending)
			upTo, _ = number(m.Header, headerUpTo)
			return true, nil
		case "404": // there is none
			return true, nil
		case "503":
			return true, nats.ErrNoResponders
		default:
			return true, fmt.Errorf("stream %s: %s %s", streamName(p.number), status, strings.TrimSpace(m.Header.Get("Description")))
		}
	})
	return pending, upTo, err
}

// job is something to read of a room.
type job struct {
	m     *member // only what is static
	round int
	life  life                            // in which it was asked for
	cold  bool                            // it is the room's history
	read  func(ctx context.Context) error // and tells the dispatcher
}

// reader reads from a partition's stream, few things at a time: gaps first.
type reader struct {
	p *partition

	mu       sync.Mutex
	gaps     []*job
	cold     []*job
	busy     int
	scanning bool

	late int // owned by who scans: times that it was not all there
}

func (r *reader) add(j *job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j.cold {
		r.cold = append(r.cold, j)
	} else {
		r.gaps = append(r.gaps, j)
	}
	if r.busy < readsAtOnce && r.p.s.ctx.Err() == nil {
		r.busy++
		r.p.s.running.Go(r.work)
	}
}

// take is what to read next: one job, or those of very many rooms.
func (r *reader) take() (one *job, many []*job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.gaps) > 0:
		one, r.gaps = r.gaps[0], r.gaps[1:]
	case len(r.cold) > manyRooms && !r.scanning:
		many, r.cold, r.scanning = r.cold, nil, true
	case len(r.cold) > 0:
		one, r.cold = r.cold[0], r.cold[1:]
	default:
		r.busy--
	}
	return one, many
}

// work reads until there is nothing to read.
func (r *reader) work() {
	ctx := r.p.s.ctx
	for wait := 50 * time.Millisecond; ctx.Err() == nil; {
		one, many := r.take()
		var err error
		switch {
		case many != nil:
			err = r.scan(ctx, many)
			r.mu.Lock()
			r.scanning = false
			if err != nil {
				r.cold = append(many, r.cold...)
			}
			r.mu.Unlock()
		case one == nil:
			return
		default:
			if err = one.read(ctx); err != nil {
				r.mu.Lock()
				if one.cold {
					r.cold = append(r.cold, one)
				} else {
					r.gaps = append(r.gaps, one)
				}
				r.mu.Unlock()
			}
		}
		if err == nil {
			wait = 50 * time.Millisecond
			continue
		}
		select { // it is read again: the room can't do without
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 2*time.Second)
	}
}
