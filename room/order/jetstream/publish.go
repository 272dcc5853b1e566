package jetstream

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"chatd/room/order"
)

// publication is a message on its way to a stream.
type publication struct {
	id        uint64
	room      string
	tag       uint64
	author    author
	partition *partition
	msg       *nats.Msg
	begun     time.Time

	// Owned by the publisher.

	sent time.Time
	seq  uint64 // that the stream gave it; 0: not known
}

// author is who publishes in a room, as a hub knows him; by is 0: nobody in particular.
type author struct {
	room string
	by   uintptr
}

func (p *publication) size() int { return len(p.msg.Data) + 256 }

// pendings are the publications whose rooms have not been told what became of them.
// Who takes one out tells.
type pendings struct {
	mu     sync.Mutex
	byID   map[uint64]*publication
	in     map[string]int // how many, by room
	bytes  int
	closed bool
}

func (p *pendings) init() {
	p.byID, p.in = make(map[uint64]*publication), make(map[string]int)
}

func (p *pendings) add(one *publication) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errClosed
	case len(p.byID) >= maxUnsent || p.bytes+one.size() > maxUnsentBytes:
		return errBusy
	}
	p.byID[one.id] = one
	p.in[one.room]++
	p.bytes += one.size()
	return nil
}

// close has no more be added.
func (p *pendings) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

// take is the publication, if nobody has taken it.
func (p *pendings) take(id uint64) *publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.byID[id]
	if one == nil {
		return nil
	}
	delete(p.byID, id)
	p.bytes -= one.size()
	if p.in[one.room]--; p.in[one.room] == 0 {
		delete(p.in, one.room)
	}
	return one
}

func (p *pendings) has(id uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byID[id] != nil
}

// of reports whether there are any of a room.
func (p *pendings) of(room string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.in[room] > 0
}

func (p *pendings) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.byID)
}

// own is the number of a publication of this node.
func (s *Source) own(id string) (n uint64, ok bool) {
	node, number, _ := strings.Cut(id, ".")
	if node != s.node {
		return 0, false
	}
	n, err := strconv.ParseUint(number, 10, 64)
	return n, err == nil
}

// publisher sends what is published to the streams, and again until they have it. What
// is sent may be lost, or refused, while what was sent behind it is taken, as when a
// stream gets another leader. So of each author in a room one message is under way at a
// time: what he says keeps its order. When something was refused, or not answered, one is
// sent alone until that is taken.
type publisher struct {
	s     *Source
	mail  mailbox
	acks  chan *nats.Msg
	inbox string

	// Owned by its goroutine.

	lanes  []lane
	sent   map[uint64]*publication   // that are under way
	behind map[author][]*publication // who has a message in a lane, and what waits until that has its answer
	stored []*publication            // whose copies are awaited
	online bool
	done   chan int // who waits until all is kept; nil: nobody
}

// lane is what a partition is to be sent.
type lane struct {
	queue   []*publication // to be sent
	refused []*publication // to be sent again
	bytes   int            // under way
	open    int            // publications under way
	stalled bool           // something was refused, and nothing taken since
	wait    time.Duration  // until it is sent again
	again   time.Time
	since   time.Time // since when it is stalled
}

// firstWait is how long it takes until what was refused is sent again, lastWait how
// long at most.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = time.Second
)

func newPublisher(s *Source) *publisher {
	return &publisher{
		s: s, mail: newMailbox(), acks: make(chan *nats.Msg, copiesQueued), inbox: nats.NewInbox() + ".",
		lanes: make([]lane, s.config.Partitions), sent: make(map[uint64]*publication), behind: make(map[author][]*publication),
	}
}

func (p *publisher) subscribe() error {
	_, err := p.s.nc.ChanSubscribe(p.inbox+"*", p.acks)
	return err
}

// publish hands m over. Anybody may call it.
func (p *publisher) publish(room string, tag uint64, m order.Message) {
	s := p.s
	one := &publication{id: s.published.Add(1), room: room, tag: tag, author: author{room, m.By}, partition: s.partitionFor(room), begun: time.Now()}
	number := strconv.FormatUint(one.id, 10)
	one.msg = newMsg(subject(publishedIn, one.partition.number, toToken.Replace(room)), s.node+"."+number, m)
	one.msg.Reply = p.inbox + number
	if err := s.pending.add(one); err != nil {
		one.partition.fail(one, err)
		return
	}
	p.mail.put(func() {
		l := &p.lanes[one.partition.number]
		if waiting, busy := p.behind[one.author]; busy {
			p.behind[one.author] = append(waiting, one)
			return
		}
		if one.author.by != 0 {
			p.behind[one.author] = nil
		}
		l.queue = append(l.queue, one)
		p.pump(l, time.Now())
	})
}

// release has the next message of one's author sent, if there is any.
func (p *publisher) release(l *lane, one *publication) {
	waiting, busy := p.behind[one.author]
	switch {
	case !busy:
	case len(waiting) == 0:
		delete(p.behind, one.author)
	default:
		l.queue = append(l.queue, waiting[0])
		waiting[0] = nil
		p.behind[one.author] = waiting[1:]
	}
}

// run is the publisher's goroutine.
func (p *publisher) run() {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-p.mail.wake:
			p.mail.do()
		case m := <-p.acks:
			p.answered(m, time.Now())
		case now := <-ticker.C:
			p.tick(now)
		case <-p.s.ctx.Done():
			p.mail.do()
			return
		}
	}
}

// pump sends what a lane may send.
func (p *publisher) pump(l *lane, now time.Time) {
	if !p.online {
		return
	}
	if l.stalled {
		if l.open > 0 || now.Before(l.again) {
			return
		}
		slices.SortFunc(l.refused, func(a, b *publication) int { return cmp.Compare(a.id, b.id) })
		l.queue = append(l.refused, l.queue...)
		l.refused = nil
		l.wait = min(2*l.wait, lastWait)
	}
	for len(l.queue) > 0 && (l.open == 0 || !l.stalled && l.open < laneMessages && l.bytes < laneBytes) {
		one := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		if !p.s.pending.has(one.id) { // its copy came, or it waited too long
			p.release(l, one)
			continue
		}
		one.sent = now
		l.bytes += one.size()
		l.open++
		p.sent[one.id] = one
		switch err := p.s.nc.PublishMsg(one.msg); {
		case errors.Is(err, nats.ErrMaxPayload):
			p.settle(l, one)
			p.fail(one, err)
		case err != nil:
			p.refuse(l, one, now)
			return
		}
	}
}

// land takes one out of those that are under way.
func (p *publisher) land(l *lane, one *publication) {
	delete(p.sent, one.id)
	l.open--
	l.bytes -= one.size()
}

// refuse has one sent again.
func (p *publisher) refuse(l *lane, one *publication, now time.Time) {
	p.land(l, one)
	l.refused = append(l.refused, one)
	if !l.stalled {
		l.stalled, l.since, l.wait = true, now, firstWait
	}
	l.again = now.Add(l.wait)
}

// settle is done with one: it is stored, or can't be.
func (p *publisher) settle(l *lane, one *publication) {
	p.land(l, one)
	l.stalled = len(l.refused) > 0
	p.release(l, one)
}

// acknowledgement is what a stream answers.
type acknowledgement struct {
	Seq   uint64 `json:"seq"`
	Error *struct {
		ErrCode     int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// Codes of errors that stay. All others may go away: a full disk, too, and an account
// whose limit is reached.
const (
	codeTooLarge  = 10054
	codeLongHeads = 10097
)

// answered takes what a stream, or its server, says to a publication.
func (p *publisher) answered(m *nats.Msg, now time.Time) {
	id, err := strconv.ParseUint(m.Subject[len(p.inbox):], 10, 64)
	one := p.sent[id]
	if err != nil || one == nil {
		return // it was sent twice, and the other one's answer came
	}
	l := &p.lanes[one.partition.number]
	var ack acknowledgement
	switch {
	case m.Header.Get("Status") != "": // 503: no stream is there
		p.refuse(l, one, now)
	case json.Unmarshal(m.Data, &ack) != nil:
		p.refuse(l, one, now)
	case ack.Error == nil:
		p.settle(l, one)
		one.sent, one.seq = now, ack.Seq
		p.stored = append(p.stored, one)
		if o := p.s.config.PublishTime; o != nil {
			o.Observe(now.Sub(one.begun).Seconds())
		}
	case ack.Error.ErrCode == codeTooLarge || ack.Error.ErrCode == codeLongHeads:
		p.settle(l, one)
		p.fail(one, fmt.Errorf("the order's servers refuse it: %s", ack.Error.Description))
	default:
		p.refuse(l, one, now)
	}
	p.pump(l, now)
}

// fail tells the room that one has no place.
func (p *publisher) fail(one *publication, err error) {
	if p.s.pending.take(one.id) != nil {
		one.partition.fail(one, err)
	}
}

// errLost is why a message has no place that was kept, but not for long enough.
var errLost = errors.New("the message was lost before it came back")

// lost fails what was stored and is not kept any more. Anybody may call it.
func (p *publisher) lost(room string, upTo uint64) {
	p.mail.put(func() {
		for _, one := range p.stored {
			if one.room == room && one.seq <= upTo {
				p.fail(one, errLost)
			}
		}
	})
}

// fail has a room told, in its turn.
func (p *partition) fail(one *publication, err error) {
	p.s.stats.failed.Add(1)
	d := p.dispatcher
	d.mail.put(func() {
		if m := d.rooms[p.number][toToken.Replace(one.room)]; m != nil && m.room != nil {
			m.room.Fail(one.tag, err)
		}
	})
}

func (p *publisher) connected() {
	p.online = true
	now := time.Now()
	for i := range p.lanes {
		p.lanes[i].again = now
		p.pump(&p.lanes[i], now)
	}
}

// disconnected has all that was not answered sent again: nobody knows what was kept.
func (p *publisher) disconnected() {
	p.online = false
	now := time.Now()
	for _, one := range p.sent {
		p.refuse(&p.lanes[one.partition.number], one, now)
	}
}

// tick looks after what takes too long.
func (p *publisher) tick(now time.Time) {
	for _, one := range p.sent {
		if l := &p.lanes[one.partition.number]; now.Sub(one.sent) <= answerTime {
			continue
		} else if p.s.pending.has(one.id) {
			p.refuse(l, one, now)
		} else {
			p.settle(l, one) // the answer was lost, but its copy came
		}
	}
	var late []*publication
	expire := func(list []*publication) []*publication {
		return slices.DeleteFunc(list, func(one *publication) bool {
			if now.Sub(one.begun) <= p.s.config.patience {
				return false
			}
			late = append(late, one)
			return true
		})
	}
	for who, waiting := range p.behind {
		p.behind[who] = expire(waiting)
	}
	for _, one := range late {
		p.fail(one, errAway)
	}
	for i := range p.lanes {
		l := &p.lanes[i]
		late = nil
		l.refused, l.queue = expire(l.refused), expire(l.queue)
		for _, one := range late {
			p.fail(one, errAway)
			p.release(l, one)
		}
		p.pump(l, now)
		if l.stalled && l.open+len(l.refused)+len(l.queue) == 0 {
			l.stalled = false // nobody waits, so nobody knows
		}
		var stalled time.Time
		if l.stalled {
			stalled = l.since
		}
		p.s.partitions[i].stalled.Store(nanos(stalled))
	}
	awaited := p.stored[:0]
	for _, one := range p.stored {
		switch {
		case !p.s.pending.has(one.id): // its copy came
		case now.Sub(one.sent) > p.s.config.patience:
			p.fail(one, errAway) // its room is gone, or nothing can be read
		default:
			awaited = append(awaited, one)
		}
	}
	clear(p.stored[len(awaited):])
	p.stored = awaited
	if p.done != nil && p.s.pending.len() == len(awaited) {
		p.done <- 0
		p.done = nil
	}
}

// finish waits until all that was published is kept, or will not be, and returns how
// many are not.
func (p *publisher) finish() (left int) {
	p.s.pending.close()
	done := make(chan int, 1)
	p.mail.put(func() { p.done = done })
	select {
	case left = <-done:
	case <-time.After(p.s.config.patience + answerTime):
		left = p.s.pending.len()
	}
	return left
}

// nanos is t as an atomic has it; 0: none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
