package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"chatd/room/order"
)

// partition is some of the rooms, which one stream has.
type partition struct {
	s          *Source
	number     int
	dispatcher *dispatcher
	reader     *reader

	seen    chan struct{} // closed when it is known whether the stream is well
	looks   chan bool     // to look at the stream now; true: all may have changed
	doubts  chan doubt
	stalled atomic.Int64  // since when it takes no messages, ns since 1970; 0: it does
	top     atomic.Uint64 // the last number that was seen

	replicated atomic.Bool // the stream has replicas, which may be behind their leader; set by watch

	// Owned by watch.

	marked   uint64 // up to it all rooms' last messages were compared; 0: they are to be compared anew
	compared uint64 // up to it they were at any time
	short    int    // times in a row that the stream's last number was below top

	mu    sync.Mutex
	fault error // why nothing can be done; nil: all is well
	since time.Time
	life  life // zero: not known yet
}

// doubt is a room's last message that the stream may not have any more: another one was
// told under its number, or a smaller one. It is of a life of the stream.
type doubt struct {
	token string
	last  order.Point
	life  life
}

func newPartition(s *Source, number int, d *dispatcher) *partition {
	p := &partition{s: s, number: number, dispatcher: d, seen: make(chan struct{}), looks: make(chan bool, 1), doubts: make(chan doubt, 16), since: time.Now(), fault: errReadsAway}
	p.reader = &reader{p: p}
	d.rooms[number] = make(map[string]*member)
	return p
}

// wrong is why nothing can be done with the stream.
func (p *partition) wrong() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// ready is why it has taken no messages for a while; nil: it does.
func (p *partition) ready(now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != nil && (now.Sub(p.since) > unreadyAfter || p.life == life{}) {
		return p.fault
	}
	if since := p.stalled.Load(); since != 0 && now.Sub(time.Unix(0, since)) > unreadyAfter {
		return fmt.Errorf("stream %s takes no messages", streamName(p.number))
	}
	return nil
}

// lifeNow is the life of the stream, if it is known.
func (p *partition) lifeNow() (life, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life, p.life != life{}
}

// look has the stream looked at soon.
func (p *partition) look(all bool) {
	for {
		select {
		case p.looks <- all:
			return
		default:
		}
		select { // what waits there is less
		case earlier := <-p.looks:
			all = all || earlier
		default:
		}
	}
}

// suspect has it found out whether the stream was replaced.
func (p *partition) suspect(d doubt) {
	select {
	case p.doubts <- d:
	default: // enough is suspected
	}
}

// watch is the partition's goroutine.
func (p *partition) watch() {
	ticker := time.NewTicker(tailInterval)
	defer ticker.Stop()
	p.inspect(true)
	for {
		select {
		case <-p.s.ctx.Done():
			return
		case all := <-p.looks:
			p.inspect(all)
		case <-ticker.C:
			p.inspect(false)
		case d := <-p.doubts:
			p.resolve(d)
		}
	}
}

// inspect looks at the stream, makes it if it is not there, and compares the rooms' last
// messages with it; with all, of rooms in which nothing seems to have happened, too.
func (p *partition) inspect(all bool) {
	if !p.s.reads.IsConnected() {
		p.blame(errReadsAway, false) // it is looked at again when it is
		return
	}
	if err := p.s.config.checkServer(p.s.reads); err != nil {
		p.blame(err, true)
		return
	}
	ctx, cancel := context.WithTimeout(p.s.ctx, requestTime)
	defer cancel()
	top := p.top.Load() // before the stream is asked
	first := p.s.partitions[0]
	info, made, err := p.s.config.ensure(ctx, p.s.js, p.number, p == first || first.wrong() == nil)
	if err != nil {
		p.blame(err, lasting(err))
		return
	}
	if leaderless(info) {
		p.blame(fmt.Errorf("stream %s has no leader: more than half of the servers that have it must be there", streamName(p.number)), false)
		return
	}
	p.replicated.Store(info.Config.Replicas > 1)
	if made {
		p.s.config.Log.Info("a stream was made", "stream", streamName(p.number), "replicas", info.Config.Replicas)
	}
	known, ok := p.lifeNow()
	switch is := lifeOf(info); {
	case !ok:
		if what := p.s.config.differs(info.Config); len(what) > 0 && p.number == 0 {
			p.s.config.Log.Warn("the streams keep something else than the flags say: chatd nats init changes that", "differences", what)
		}
		p.adopt(is)
	case !is.created.Equal(known.created) || is.generation > known.generation:
		p.s.config.Log.Warn("a stream was made anew, or restored: its rooms begin anew", "stream", streamName(p.number))
		p.adopt(is)
	case is.generation < known.generation:
		p.raise(ctx, info, known)
	case info.State.LastSeq < top:
		// A leader that was just elected may not have applied all that it has.
		if p.short++; p.short < shortEnough {
			time.AfterFunc(shortAgain, func() { p.look(true) })
			return
		}
		p.raise(ctx, info, known)
	default:
		p.short = 0
		p.blame(nil, true)
		p.compare(ctx, info.State.FirstSeq, info.State.LastSeq, all)
	}
}

// A stream that ends before what was seen of it is asked again, so often and after so
// long, before that is believed.
const (
	shortEnough = 3
	shortAgain  = 500 * time.Millisecond
)

// errReadsAway is that nothing can be read. That NATS went away is logged.
var errReadsAway = errors.New("NATS is not connected")

// blame says what is wrong with the stream; sure: that is known now. If all streams have
// the same fault, it is logged once.
func (p *partition) blame(err error, sure bool) {
	s := p.s
	p.mu.Lock()
	before := p.fault
	if (err == nil) != (before == nil) {
		p.since = time.Now()
	}
	p.fault = err
	p.mu.Unlock()
	switch {
	case err == nil && before != nil:
		if p.number == 0 {
			s.look() // the others may be made now
		}
		if s.blamed.Add(-1) == 0 {
			s.config.Log.Info("the streams are there", "streams", len(s.partitions))
		}
	case err != nil:
		blamed := s.blamed.Load()
		if before == nil {
			blamed = s.blamed.Add(1)
		}
		other := before == nil || before.Error() != err.Error()
		if other && !errors.Is(err, errReadsAway) && !errors.Is(err, errFirst) && (blamed == 1 || p.number == 0) && s.ctx.Err() == nil && s.away.Load() == 0 {
			s.config.Log.Error("a stream is not there, or not as it must be", "err", err)
		}
	}
	if sure {
		p.tellSeen()
	}
}

func (p *partition) tellSeen() {
	select {
	case <-p.seen:
	default:
		close(p.seen)
	}
}

// leaderless reports whether a stream takes nothing at present, as somebody says who has it.
func leaderless(info *jetstream.StreamInfo) bool {
	return info.Cluster != nil && info.Cluster.Leader == ""
}

// lifeOf is the life of a stream.
func lifeOf(info *jetstream.StreamInfo) life {
	generation, _ := strconv.ParseUint(info.Config.Metadata[metaGeneration], 10, 64)
	return life{info.Created, generation}
}

// adopt has all rooms begin anew, in the stream's life as it is.
func (p *partition) adopt(l life) {
	p.marked, p.compared, p.short = 0, 0, 0
	if _, again := p.lifeNow(); again {
		p.s.stats.resets.Add(1)
		_ = p.s.flush() // copies from the life before have come then, or never will
	}
	p.mu.Lock()
	p.life = l
	p.mu.Unlock()
	d := p.dispatcher
	d.mail.put(func() {
		d.drain()
		p.top.Store(0)
		for _, m := range d.rooms[p.number] {
			if m.life != l { // else it was entered just now
				d.begin(m)
			}
		}
	})
	p.blame(nil, true)
}

// raise begins a new generation of the stream, unless another node has done it. Two that
// do it at once write the same.
func (p *partition) raise(ctx context.Context, info *jetstream.StreamInfo, known life) {
	p.s.config.Log.Warn("a stream has other messages than it had: its rooms begin anew", "stream", streamName(p.number), "last", info.State.LastSeq, "seen", p.top.Load())
	config := info.Config
	next := life{info.Created, known.generation + 1}
	if config.Metadata == nil {
		config.Metadata = make(map[string]string)
	}
	config.Metadata[metaGeneration] = strconv.FormatUint(next.generation, 10)
	if _, err := p.s.js.UpdateStream(ctx, config); err != nil {
		p.blame(fmt.Errorf("stream %s: its generation can't be raised: %w", config.Name, err), true)
		return
	}
	p.adopt(next)
}

// resolve finds out whether the stream still has what a room had last.
func (p *partition) resolve(d doubt) {
	known, ok := p.lifeNow()
	if !ok || d.life != known {
		return // it was found already
	}
	ctx, cancel := context.WithTimeout(p.s.ctx, requestTime)
	defer cancel()
	stream, err := p.s.js.Stream(ctx, streamName(p.number))
	if err != nil {
		p.look(true)
		return
	}
	info := stream.CachedInfo()
	if is := lifeOf(info); !is.created.Equal(known.created) || is.generation != known.generation {
		p.inspect(true)
		return
	}
	there, err := p.stored(ctx, map[string]any{"seq": d.last.Seq})
	if err == nil && there.seq > 0 && (there.subject != subject(publishedIn, p.number, d.token) || there.at != d.last.At) {
		p.raise(ctx, info, known)
		return
	}
	p.inspect(true) // that it ends before that, it sees, too
}

// leaders is a message as a stream's leader has it; its number is 0 if it has none.
type leaders struct {
	subject string
	seq     uint64
	at      int64
}

// stored asks the stream's leader for a message: others may not have heard of it.
func (p *partition) stored(ctx context.Context, question map[string]any) (leaders, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return leaders{}, err
	}
	m, err := p.s.reads.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+streamName(p.number), body)
	if err != nil {
		return leaders{}, err
	}
	var answer struct {
		Error *struct {
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return leaders{}, err
	}
	switch {
	case answer.Error != nil && answer.Error.ErrCode == int(jetstream.JSErrCodeMessageNotFound):
		return leaders{}, nil
	case answer.Error != nil:
		return leaders{}, errors.New(answer.Error.Description)
	case answer.Message == nil:
		return leaders{}, errors.New("no message in the answer")
	}
	return leaders{answer.Message.Subject, answer.Message.Seq, answer.Message.Time.UnixMilli()}, nil
}

// saw notes the number of a message that the stream has.
func (p *partition) saw(seq uint64) {
	for {
		top := p.top.Load()
		if seq <= top || p.top.CompareAndSwap(top, seq) {
			return
		}
	}
}
