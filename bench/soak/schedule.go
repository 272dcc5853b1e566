package soak

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is what a phase does.
type Kind uint8

// The kinds of phases.
const (
	Steady  Kind = iota // listeners, and publishers with a fixed rate
	Flood               // publishers that send as fast as their messages come back
	Churn               // clients that come and leave
	Stuck               // clients that don't read; some read on later
	Hostile             // half frames, bad handshakes, resets
	Upgrade             // the server's program is replaced in place
	Births              // clients that come and leave with nobody else about: the beginning of each life
	Restart             // SIGTERM under load: the end of each life
	kinds
)

func (k Kind) String() string {
	return [kinds]string{"steady", "flood", "churn", "stuck", "hostile", "upgrade", "births", "restart"}[k]
}

// Phase is one thing that is done for a while.
type Phase struct {
	Kind       Kind
	Start      time.Duration // since the life's beginning
	Length     time.Duration
	Clients    int     // at a time; Churn, Hostile: over the whole phase
	Rooms      int     // over which they are spread; Hostile: all are in the first
	Deflate    int     // percent of the clients that offer permessage-deflate
	Publishers int     // of the clients
	Rate       float64 // messages per second of all publishers; 0: as they come back
	Window     int     // messages of a publisher under way, when there is no rate
	Least      int     // bytes of a message
	Most       int     // as above
	Gentle     bool    // nobody leaves by a reset
	Seed       uint64  // of all that is decided within; Upgrade: nothing is
}

func (p *Phase) rand() *rand.Rand { return rand.New(rand.NewPCG(p.Seed, 0)) }

// Life is the server's, from its start to its SIGTERM.
type Life struct {
	// Gentle lives have only clients that read everything and say goodbye, so
	// that deliveries agree with what they heard to the message.
	Gentle  bool
	Births  Phase   // before all others
	Warmup  []Phase // before the baseline is taken
	Phases  []Phase // in the order of their starts
	Length  time.Duration
	Restart Phase
}

// Schedule is everything that happens.
type Schedule struct {
	Seed  uint64
	Lives []Life
}

const (
	leastLife, mostLife   = 45 * time.Second, 90 * time.Second
	leastPhase, mostPhase = 5 * time.Second, 20 * time.Second
	longestWarmup         = 5 * time.Second
	eachUpgrade           = 15 * time.Second // there is one in so long
	leastMessage          = minMessage
	mostMessage           = 60 << 10
	// listenersSecond bounds the rate of a steady phase: its deliveries per
	// second must leave room for what goes on beside it.
	listenersSecond = 25000
)

// NewSchedule decides what a run with this seed does, whose phases take length
// in all (warm-ups, checks and restarts come on top): two lives at least.
func NewSchedule(seed uint64, length time.Duration) *Schedule {
	s := &Schedule{Seed: seed}
	r, upgrades := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	d := newDecks()
	for left := length; left > 0; {
		n := min(between(r, leastLife, mostLife), length/2)
		if left-n < min(leastLife, n)/2 {
			n = left
		}
		left -= n
		// The second life is gentle, so that every run has one of each.
		gentle := r.IntN(3) == 0
		if i := len(s.Lives); i < 2 {
			gentle = i == 1
		}
		l := newLife(r, d, n, gentle)
		l.upgrade(upgrades, len(s.Lives) < 2 || upgrades.IntN(4) > 0)
		s.Lives = append(s.Lives, l)
	}
	return s
}

// deck is kinds of phases, each of which has its turn before any has another.
type deck struct{ all, left []Kind }

func (d *deck) draw(r *rand.Rand) Kind {
	if len(d.left) == 0 {
		d.left = slices.Clone(d.all)
		r.Shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	kind := d.left[0]
	d.left = d.left[1:]
	return kind
}

// decks are of what goes on at a time. Lives go on where others ended, so that
// every run has everything.
type decks struct{ calm, busy, rough, gentle deck }

func newDecks() *decks {
	return &decks{
		calm: deck{all: []Kind{Steady}}, busy: deck{all: []Kind{Flood, Flood, Churn}},
		rough: deck{all: []Kind{Churn, Hostile, Stuck, Stuck}}, gentle: deck{all: []Kind{Churn}},
	}
}

func newLife(r *rand.Rand, d *decks, length time.Duration, gentle bool) Life {
	l := Life{Gentle: gentle, Length: length}
	warm := min(longestWarmup, length/2)
	l.Warmup = []Phase{
		{Kind: Steady, Length: warm, Clients: 1200, Rooms: 4, Deflate: 10, Publishers: 4, Rate: 15, Least: leastMessage, Most: mostMessage / 4, Gentle: gentle, Seed: r.Uint64()},
		{Kind: Flood, Start: warm / 3, Length: warm / 3, Clients: 4, Rooms: 2, Publishers: 4, Window: 16, Least: leastMessage, Most: mostMessage, Gentle: gentle, Seed: r.Uint64()},
		{Kind: Churn, Length: warm, Clients: 200, Rooms: 50, Least: leastMessage, Most: mostMessage / 4, Gentle: gentle, Seed: r.Uint64()},
	}
	trouble := &d.rough
	if gentle {
		trouble = &d.gentle
	}
	for _, lane := range []*deck{&d.calm, &d.busy, trouble} {
		for at := time.Duration(0); at < length; {
			n := min(between(r, leastPhase, mostPhase), length-at)
			if length-at-n < leastPhase {
				n = length - at // no stub at the end
			}
			p := newPhase(r, lane.draw(r))
			p.Start, p.Length, p.Gentle = at, n, gentle
			l.Phases = append(l.Phases, p)
			at += n
		}
	}
	l.Births = newPhase(r, Births)
	l.Births.Length, l.Births.Gentle = time.Second, gentle
	l.Restart = newPhase(r, Restart)
	l.Restart.Length, l.Restart.Gentle = min(between(r, time.Second, 4*time.Second), length), gentle
	return l
}

// upgrade adds upgrades to the life, if there are to be any. The first is in the warm-up, so
// that the baseline is that of a program which has come by one.
func (l *Life) upgrade(r *rand.Rand, any bool) {
	if !any {
		return
	}
	add := func(to *[]Phase, from, length time.Duration) {
		*to = append(*to, Phase{Kind: Upgrade, Start: between(r, from, from+length), Gentle: l.Gentle})
	}
	warm := l.Warmup[0].Length
	add(&l.Warmup, warm/4, warm/4)
	n := 1 + time.Duration(r.Int64N(int64(max(l.Length/eachUpgrade, 1))))
	for i := range n {
		add(&l.Phases, l.Length*i/n, l.Length/n)
	}
}

// newPhase decides what a phase is like, but for when it is.
func newPhase(r *rand.Rand, kind Kind) Phase {
	p := Phase{Kind: kind, Seed: r.Uint64()}
	p.Least, p.Most = sizes(r)
	switch kind {
	case Steady:
		p.Clients, p.Publishers = 500+r.IntN(1501), 1+r.IntN(8)
		p.Rooms = 1 + r.IntN(p.Publishers)
		p.Rate = min(2+r.Float64()*48, listenersSecond*float64(p.Rooms)/float64(p.Clients))
		p.Deflate = r.IntN(15)
		p.Most = min(p.Most, 4<<10)
	case Flood:
		p.Publishers, p.Window = 1+r.IntN(8), 1+r.IntN(32)
		p.Clients, p.Rooms = p.Publishers+r.IntN(100), 1+r.IntN(p.Publishers)
		p.Deflate = r.IntN(30)
	case Churn:
		p.Clients, p.Rooms, p.Deflate = 100+r.IntN(1400), 1+r.IntN(mostRooms), r.IntN(15)
	case Stuck:
		p.Clients, p.Rooms = 5+r.IntN(150), 1+r.IntN(3)
	case Hostile:
		p.Clients, p.Rooms = 50+r.IntN(500), 1
	case Births:
		p.Clients, p.Rooms, p.Deflate = 20+r.IntN(100), 5+r.IntN(50), r.IntN(15)
	case Restart:
		p.Clients, p.Publishers, p.Window = 100+r.IntN(900), 1+r.IntN(4), 1+r.IntN(16)
		p.Rooms = 1 + r.IntN(100)
		p.Deflate = r.IntN(15)
	}
	return p
}

// sizes decides how long messages are: mostly short, now and then up to the
// longest.
func sizes(r *rand.Rand) (least, most int) {
	if r.IntN(3) == 0 {
		return leastMessage, mostMessage
	}
	least = leastMessage + r.IntN(1<<10)
	return least, least + r.IntN(4<<10)
}

func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N(int64(most-least)))
}
