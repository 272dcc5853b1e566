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
	asked map[string]asker
}

// asker waits for answers until it is done.
type asker struct {
	answers chan *nats.Msg
	done    chan struct{}
}

func newReplies(nc *nats.Conn) (*replies, error) {
	r := &replies{nc: nc, inbox: nats.NewInbox() + ".", asked: make(map[string]asker)}
	sub, err := nc.Subscribe(r.inbox+"*", func(m *nats.Msg) {
		r.mu.Lock()
		to, ok := r.asked[m.Subject]
		r.mu.Unlock()
		if !ok {
			return // nobody waits any more
		}
		select {
		case to.answers <- m:
		case <-to.done:
		}
	})
	if err != nil {
		return nil, err
	}
	return r, sub.SetPendingLimits(-1, -1) // it is not more than was asked for
}

// errSilent is that no answer came, or no further one.
var errSilent = errors.New("no answer")

// ask asks, and gives each answer to take until that is done. Between answers it waits
// so long.
func (r *replies) ask(ctx context.Context, subject string, body []byte, wait time.Duration, take func(*nats.Msg) (done bool, err error)) error {
	a := asker{make(chan *nats.Msg, 256), make(chan struct{})}
	r.mu.Lock()
	r.next++
	reply := fmt.Sprint(r.inbox, r.next)
	r.asked[reply] = a
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		delete(r.asked, reply)
		r.mu.Unlock()
		close(a.done)
	}()
	if err := r.nc.PublishRequest(subject, reply, body); err != nil {
		return err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		select {
		case m := <-a.answers:
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
	MaxBytes  int      `json:"max_bytes"`
	MultiLast []string `json:"multi_last,omitempty"`
}

// answerBytes is about how long one answer is at most: very many may be under way.
const answerBytes = 1 << 20

// errHole is that a part of an answer was lost on its way.
const errHole failure = "a part of the answer is missing"

// answer is what is known of one when all of it has come.
type answer struct {
	last    uint64 // the number of the last message in it; 0: there is none
	pending uint64 // how many more there are
	upTo    uint64 // the number up to which it goes; 0: it does not say
}

// direct asks the partition's stream, or one of its replicas, which may not have all yet.
// Each message that it has is given to take, with its room's token; but for those that
// nobody can read, as their headers are none.
func (p *partition) direct(ctx context.Context, q question, take func(token string, e entry)) (a answer, err error) {
	q.MaxBytes = answerBytes
	body, err := json.Marshal(q)
	if err != nil {
		return answer{}, err
	}
	unread := false // the one before can't be read
	follows := func(h nats.Header) bool {
		before, ok := number(h, headerBefore)
		if unread {
			a.last, unread = before, false
		}
		return ok && before == a.last
	}
	err = p.s.replies.ask(ctx, "$JS.API.DIRECT.GET."+streamName(p.number), body, answerTime, func(m *nats.Msg) (bool, error) {
		if m.Header == nil {
			unread = true
			return false, nil
		}
		// What is stored may have a header Status, too.
		if subject := theServers(m.Header, headerSubject); subject != "" {
			_, token, ok := cut(subject)
			e, parsed := parseEntry(m)
			if !ok || !parsed {
				return true, fmt.Errorf("stream %s: what it has can't be read", streamName(p.number))
			}
			if !follows(m.Header) {
				return true, errHole
			}
			a.last = e.Seq
			take(token, e)
			return false, nil
		}
		switch status := m.Header.Get("Status"); status {
		case "204": // the end
			if !follows(m.Header) {
				return true, errHole
			}
			a.pending, _ = number(m.Header, headerPending)
			a.upTo, _ = number(m.Header, headerUpTo)
			return true, nil
		case "404": // there is none
			return true, nil
		case "503":
			return true, nats.ErrNoResponders
		default:
			return true, fmt.Errorf("stream %s: %s %s", streamName(p.number), status, strings.TrimSpace(m.Header.Get("Description")))
		}
	})
	return a, err
}

// job is something to read of a room.
type job struct {
	m     *member // only what is static, and the round
	round int64
	life  life                            // in which it was asked for
	cold  bool                            // it is the room's history
	read  func(ctx context.Context) error // and tells the dispatcher
}

// void reports whether nobody wants to know any more.
func (j *job) void() bool { return j.m.round.Load() != j.round }

// reader reads from a partition's stream, few things at a time: gaps first.
type reader struct {
	p *partition

	mu       sync.Mutex
	gaps     []*job
	cold     []*job
	came     int // cold ones, until now
	busy     int
	scanning bool
}

func (r *reader) add(j *job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j.cold {
		r.cold = append(r.cold, j)
		r.came++
	} else {
		r.gaps = append(r.gaps, j)
	}
	if r.busy < readsAtOnce && r.p.s.ctx.Err() == nil {
		r.busy++
		r.p.s.running.Go(r.work)
	}
}

// take is what to read next: a job, or the whole partition, as there are very many: those
// that come meanwhile wait for the next time. Neither: there is nothing for this worker.
// With patient, those come first that can wait: a gap that can't be filled must not be in
// all others' way.
func (r *reader) take(patient bool) (one *job, scan bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gaps, r.cold = valid(r.gaps), valid(r.cold)
	many := len(r.cold) > manyRooms
	switch {
	case len(r.gaps) > 0 && !(patient && len(r.cold) > 0):
		one, r.gaps = r.gaps[0], r.gaps[1:]
	case many && !r.scanning:
		r.scanning, scan = true, true
	case len(r.cold) > 0 && !many:
		one, r.cold = r.cold[0], r.cold[1:]
	case len(r.gaps) > 0:
		one, r.gaps = r.gaps[0], r.gaps[1:]
	default:
		r.busy--
	}
	return one, scan
}

// takeCold is all that is cold.
func (r *reader) takeCold() (jobs []*job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	jobs, r.cold = r.cold, nil
	return jobs
}

// valid are the jobs from the first one on that somebody still wants done.
func valid(jobs []*job) []*job {
	for len(jobs) > 0 && jobs[0].void() {
		jobs[0] = nil
		jobs = jobs[1:]
	}
	return jobs
}

// work reads until there is nothing to read.
func (r *reader) work() {
	ctx := r.p.s.ctx
	var err error
	for wait := firstWait; ctx.Err() == nil; {
		one, scan := r.take(err != nil)
		switch {
		case scan:
			err = r.scan(ctx)
			r.mu.Lock()
			r.scanning = false
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
			wait = firstWait
			continue
		}
		select { // it is read again: the room can't do without
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, 2*time.Second)
	}
}
