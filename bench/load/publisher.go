package load

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"chatd/bench/result"
)

// answerTimeout is how long a publisher waits for an answer.
const answerTimeout = 30 * time.Second

// Publisher publishes numbered messages by chatd's HTTP API, each when the one before
// has its place. It belongs to the goroutine that calls Run, and then to whoever has
// waited for that.
type Publisher struct {
	room  int
	id    uint16 // in its room
	fleet *Fleet
	conn  net.Conn
	in    *bufio.Reader

	placed []placed // by number
	sent   atomic.Uint64
	again  atomic.Uint64
}

// placed is a message that was acknowledged.
type placed struct {
	seq  uint64 // its place, as it was told
	due  int64
	took int64
}

// Publishers connects n publishers, the first to each room; the rooms take turns.
// From now on the fleet notes where its members hear what.
func (f *Fleet) Publishers(n int) (all []*Publisher, err error) {
	for i := range n {
		conn, err := f.target.dial()
		if err != nil {
			ClosePublishers(all)
			return nil, err
		}
		all = append(all, &Publisher{room: f.rooms.First + i%f.rooms.Len(), id: uint16(i / f.rooms.Len()), fleet: f, conn: conn, in: bufio.NewReader(conn)})
	}
	f.Do(func() {
		for range f.rooms.Len() {
			f.places = append(f.places, make(map[uint64]message))
		}
	})
	return all, nil
}

// dial is a connection of a publisher's.
func (t *Target) dial() (net.Conn, error) {
	if t.tls != nil {
		return tls.Dial("tcp", t.addr.String(), t.tls)
	}
	return net.Dial("tcp", t.addr.String())
}

// ClosePublishers disconnects them.
func ClosePublishers(all []*Publisher) {
	for _, p := range all {
		p.conn.Close()
	}
}

// Run publishes until ctx ends: rate messages a second, each due at its own time
// however late it goes out, or, for 0, as fast as they are acknowledged.
func (p *Publisher) Run(ctx context.Context, rate float64) error {
	start := Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		due := Now()
		if rate > 0 {
			due = start + int64(float64(len(p.placed))*float64(time.Second)/rate)
			if !sleepUntil(ctx, timer, due) {
				return nil
			}
		}
		if err := p.publish(due); err != nil {
			return err
		}
	}
	return nil
}

// publish publishes the next message. Who is told to come again does so at once.
func (p *Publisher) publish(due int64) error {
	m := message{room: uint16(p.room), sender: p.id, seq: uint64(len(p.placed)), due: due}
	t := p.fleet.target
	text := m.appendText(nil, p.fleet.size)
	request := t.appendPost(nil, t.room(p.fleet.rooms.name(p.room))+"/messages", "text/plain", "", text)
	for {
		if err := p.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
			return err
		}
		if _, err := p.conn.Write(request); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		r, err := http.ReadResponse(p.in, nil)
		if err != nil {
			return fmt.Errorf("the answer to a publish: %w", err)
		}
		switch r.StatusCode {
		case http.StatusCreated:
			var receipt struct{ Seq uint64 }
			if err := json.NewDecoder(r.Body).Decode(&receipt); err != nil {
				return fmt.Errorf("the answer to a publish: %w", err)
			}
			_, err = io.Copy(io.Discard, r.Body)
			p.placed = append(p.placed, placed{receipt.Seq, due, Now() - due})
			p.sent.Add(1)
			return err
		case http.StatusTooManyRequests:
			p.again.Add(1)
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return err
			}
		default:
			return refused(r, "a publish")
		}
	}
}

// Sent is the number of messages acknowledged.
func (p *Publisher) Sent() uint64 { return p.sent.Load() }

// Refused is how often it was told to come again.
func (p *Publisher) Refused() uint64 { return p.again.Load() }

// Published is what publishers have had acknowledged.
func (f *Fleet) Published(all []*Publisher) Sent {
	sent := make(Sent, f.rooms.Len())
	for _, p := range all { // in order of their ids
		i := p.room - f.rooms.First
		sent[i] = append(sent[i], p.Sent())
	}
	return sent
}

// PublishLatency is how long the publishing of messages took that were due in the
// measured time, nil if there were none.
func (f *Fleet) PublishLatency(all []*Publisher) *result.Latency {
	h := hdrhistogram.New(1, slowest.Microseconds(), 3)
	f.Do(func() {
		for _, p := range all {
			for _, m := range p.placed {
				if f.window.from <= m.due && m.due < f.window.to {
					_ = h.RecordValue(min(m.took/1000, slowest.Microseconds())) // in range by now
				}
			}
		}
	})
	return latency(h)
}

var (
	errMisplaced = errors.New("a message was not heard under the number that its publisher was told")
	errUntold    = errors.New("a message was heard that was not acknowledged")
)

// Misplaced counts what was heard elsewhere than its publisher was told, and what
// was heard though nobody was told: all that was published must have been heard.
func (f *Fleet) Misplaced(all []*Publisher) (faults result.Faults) {
	f.Do(func() {
		for _, p := range all {
			heard := f.places[p.room-f.rooms.First]
			for number, told := range p.placed {
				if m, ok := heard[told.seq]; ok && m.sender == p.id && m.seq == uint64(number) {
					delete(heard, told.seq)
				} else {
					faults.Misnumbered++
					f.note(errMisplaced)
				}
			}
		}
		for _, heard := range f.places {
			for range heard {
				faults.Corrupt++
				f.note(errUntold)
			}
		}
	})
	return faults
}
