package poller

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// ScratchSize is the length in bytes of a worker's scratch buffer.
	ScratchSize = 64 << 10
	// FanoutMax is the largest number of sockets of one Fanout: about as many
	// as can be written to before a Task should give way.
	FanoutMax = 256
)

// Pool runs Tasks on a fixed number of workers, in the order in which they
// were scheduled.
//
// Workers that find nothing to do park. At most one worker at a time is
// between being woken and finding a Task ("searching"), and it wakes the next
// one only if it leaves work behind: a batch of ready sockets costs as many
// wake-ups as it keeps workers busy.
type Pool struct {
	queue queue
	// sleep counts the workers that are parked (low half) and searching
	// (high half). Anybody changes it, by compare-and-swap.
	sleep   atomic.Uint64
	wake    chan struct{} // one token per worker that was un-parked
	closing atomic.Bool
	done    sync.WaitGroup
	sender  func() Sender // static, as the next two
	workers int
	log     *slog.Logger
	poller  atomic.Pointer[Poller]  // the worker that looks at sockets; nil: none
	panics  atomic.Uint64           // Tasks that panicked
	frozen  atomic.Pointer[freezer] // nil: the workers work
}

const (
	// worthWaking is how many Tasks must wait for a worker that is at work to
	// wake another one: about a millisecond of short ones. Fewer are sooner done
	// than taken to another core, with what they share.
	worthWaking = 64
	// turnTime is how long a poller works before it asks whether sockets are ready.
	turnTime = time.Millisecond
	// helpTime is how often at most a poller wakes another worker because sockets
	// and Tasks wait at the same time. Who is woken goes on as long as there is
	// work. To wake it for each pass would cost floods of one room, which gains
	// nothing, some percent where CPUs are few.
	helpTime = 100 * time.Millisecond
)

const (
	oneParked    uint64 = 1
	oneSearching uint64 = 1 << 32
	parkedMask          = oneSearching - 1
)

// NewPool starts a pool of n workers, each of which writes through what sender
// makes for it, and that log panics to log. A [Poller] is one worker more; with
// n = 0 and no poller nothing runs by itself: the caller takes turns with
// [Pool.Step], and so decides the schedule. Tests do.
func NewPool(n int, sender func() Sender, log *slog.Logger) *Pool {
	p := &Pool{wake: make(chan struct{}, n), sender: sender, workers: n, log: log}
	p.queue.init()
	for i := range n {
		w := NewWorker(p, sender())
		w.id = i + 1
		p.done.Go(w.loop)
	}
	return p
}

// Close lets the workers finish what is queued and waits until they are gone.
// Nothing may be scheduled once Close was called, but by Tasks that still run.
func (p *Pool) Close() {
	p.closing.Store(true)
	for p.unpark() {
	}
	p.done.Wait()
}

// Workers is the number of workers: those of NewPool and the poller.
func (p *Pool) Workers() int { return p.workers + 1 }

// Panics is the number of Runs that panicked.
func (p *Pool) Panics() uint64 { return p.panics.Load() }

// Queued is the number of Tasks that wait for a worker.
func (p *Pool) Queued() int { return int(p.queue.size.Load()) }

// Step runs the first queued Task, and what it hands on, on w in the calling
// goroutine. It reports false if nothing was queued. It is for pools without
// workers.
func (p *Pool) Step(w *Worker) bool {
	t := p.queue.pop()
	if t == nil {
		return false
	}
	w.runAll(t)
	return true
}

// Defer puts the first queued Task behind the others, as if the worker that took
// it were slow. It is for pools without workers.
func (p *Pool) Defer() {
	if t := p.queue.pop(); t != nil {
		p.queue.push(t)
	}
}

func (p *Pool) enqueue(t *Task) {
	p.queue.push(t)
	p.wakeOne()
}

// wakeOne wakes a parked worker unless one is searching already. Without
// workers it wakes the poller.
func (p *Pool) wakeOne() {
	if s := p.sleep.Load(); s != 0 && s < oneSearching {
		p.unpark()
		return
	}
	if p.workers == 0 {
		if poller := p.poller.Load(); poller != nil {
			poller.ring()
		}
	}
}

// unpark turns a parked worker into a searching one and reports whether there
// was one.
func (p *Pool) unpark() bool {
	for {
		s := p.sleep.Load()
		if s&parkedMask == 0 {
			return false
		}
		if p.sleep.CompareAndSwap(s, s-oneParked+oneSearching) {
			p.wake <- struct{}{} // has room for every worker: never blocks
			return true
		}
	}
}

// Worker is one of a pool's goroutines. All of it belongs to the Task that it
// runs at the moment.
type Worker struct {
	// Sender writes to sockets.
	Sender
	// Scratch is ScratchSize bytes of memory for use within one Run.
	Scratch []byte
	// Results is room for the outcome of one Fanout.
	Results [FanoutMax]int32

	pool      *Pool
	id        int       // see ID
	next      *Task     // handed on by the Task that runs: goes before the queue
	searching bool      // counted in pool.sleep as searching
	polls     bool      // it is a Poller's
	helped    time.Time // when it last woke another one because sockets waited, too; a Poller's
}

// NewWorker makes a worker of p that writes through s. Only callers of
// [Pool.Step] need it.
func NewWorker(p *Pool, s Sender) *Worker {
	return &Worker{pool: p, Sender: s, Scratch: make([]byte, ScratchSize)}
}

// ID numbers the workers of a pool from 0, that of the poller, to Workers()-1:
// for what is counted by each worker for itself.
func (w *Worker) ID() int { return w.id }

// Busy reports whether other Tasks, or sockets, wait for a worker: a Run with
// more to do than its share should then give way.
func (w *Worker) Busy() bool { return w.polls || w.pool.Queued() > 0 }

func (w *Worker) loop() {
	for {
		t := w.find()
		if t == nil {
			w.Close()
			return
		}
		w.runAll(t)
	}
}

// find returns the next queued Task, parking until there is one. It returns
// nil once the pool is closed and its queue empty.
func (w *Worker) find() *Task {
	p := w.pool
	for {
		p.stand()
		if t := p.queue.pop(); t != nil {
			w.found()
			return t
		}
		if p.queue.size.Load() > 0 {
			runtime.Gosched() // another worker is just taking or pushing
			continue
		}
		if p.closing.Load() {
			w.found()
			return nil
		}
		w.park()
	}
}

// found ends w's search. If work is left the next parked worker is woken: one
// that was woken wakes on, one that was at work anyway does so for many Tasks.
func (w *Worker) found() {
	p, left := w.pool, w.pool.Queued()
	wakeOn := left >= worthWaking || p.closing.Load()
	if w.searching {
		w.searching = false
		p.sleep.Add(^(oneSearching - 1)) // subtract one
		wakeOn = wakeOn || left > 0
	}
	if wakeOn {
		p.wakeOne()
	}
}

// turn runs what waits on a poller's worker, until there is nothing or, after turnTime
// at the earliest, sockets are ready. A look whether they are costs a call; to go back to
// the wait, and have the bell end it, takes several. Only when sockets and Tasks wait at
// the same time is there work for two: then another worker is woken, unless that was just
// done, and what it does not take is for the next turn.
func (w *Worker) turn() {
	p := w.pool
	poller := p.poller.Load()
	for start := time.Now(); ; {
		p.stand()
		t := w.next
		if w.next = nil; t == nil {
			if t = p.queue.pop(); t == nil {
				break
			}
		}
		if p.Queued() >= worthWaking {
			p.wakeOne()
		}
		w.runAll(t)
		now := time.Now()
		if now.Sub(start) <= turnTime {
			continue
		}
		if poller.ready() {
			if p.Queued() > 0 && now.Sub(w.helped) >= helpTime {
				w.helped = now
				p.wakeOne()
			}
			break
		}
		start = now
	}
	if p.Queued() > 0 {
		poller.ring()
	}
}

// park sleeps until somebody wakes w, who then is searching. Work that came
// between the last look at the queue and the parking is not missed: whoever
// pushed it saw w parked, or w sees the push now.
func (w *Worker) park() {
	p := w.pool
	if w.searching {
		p.sleep.Add(oneParked + ^(oneSearching - 1))
	} else {
		p.sleep.Add(oneParked)
	}
	w.searching = true
	if p.frozen.Load() != nil {
		p.unpark() // which may be w
	}
	if p.queue.size.Load() > 0 || p.closing.Load() {
		p.wakeOne() // which may be w
	}
	<-p.wake
}

// runAll runs t and then whatever was handed on meanwhile.
func (w *Worker) runAll(t *Task) {
	for t != nil {
		w.run(t)
		t, w.next = w.next, nil
	}
}

func (w *Worker) run(t *Task) {
	t.begin()
	defer t.end()
	defer w.recovered(nil)
	defer w.recovered(t)
	t.runner.Run(w)
}

// recovered, deferred, keeps a panic from going further. It logs it and tells
// t's runner, unless t is nil: then it was the runner's Panicked that failed.
func (w *Worker) recovered(t *Task) {
	cause := recover()
	if cause == nil {
		return
	}
	w.pool.panics.Add(1)
	w.pool.log.Error("panic in a task", "cause", cause, "stack", string(debug.Stack()))
	if t != nil {
		t.runner.Panicked(w, cause)
	}
}
