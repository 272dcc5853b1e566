package poller

import (
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
)

var quietLog = slog.New(slog.NewTextHandler(io.Discard, nil))

// work is a Runner made of a function.
type work struct {
	Task
	run      func(w *Worker)
	panicked func(cause any)
}

func newWork(p *Pool, run func(w *Worker)) *work {
	k := &work{run: run}
	k.Init(p, k)
	return k
}

func (k *work) Run(w *Worker) { k.run(w) }

func (k *work) Panicked(_ *Worker, cause any) {
	if k.panicked != nil {
		k.panicked(cause)
	}
}

// drain runs everything that is queued on p, which has no workers.
func drain(p *Pool, w *Worker) (runs int) {
	for p.Step(w) {
		runs++
	}
	return runs
}

func TestTaskThatIsScheduledTwiceRunsOnce(t *testing.T) {
	p := NewPool(0, NewPlain, quietLog)
	runs := 0
	k := newWork(p, func(*Worker) { runs++ })
	k.Schedule()
	k.Schedule()
	drain(p, NewWorker(p, Plain{}))
	if runs != 1 {
		t.Fatalf("ran %d times, want 1", runs)
	}
}

func TestTaskThatIsScheduledWhileItRunsRunsExactlyOnceMore(t *testing.T) {
	p := NewPool(0, NewPlain, quietLog)
	runs := 0
	var k *work
	k = newWork(p, func(*Worker) {
		if runs++; runs == 1 {
			k.Schedule()
			k.Schedule()
			k.Schedule()
		}
	})
	k.Schedule()
	drain(p, NewWorker(p, Plain{}))
	if runs != 2 {
		t.Fatalf("ran %d times, want 2", runs)
	}
}

func TestTaskThatReschedulesItselfGoesBehindTheOthers(t *testing.T) {
	p := NewPool(0, NewPlain, quietLog)
	var order []string
	var long *work
	long = newWork(p, func(*Worker) {
		if order = append(order, "long"); len(order) < 3 {
			long.Schedule()
		}
	})
	short := newWork(p, func(*Worker) { order = append(order, "short") })
	long.Schedule()
	short.Schedule()
	drain(p, NewWorker(p, Plain{}))
	if got, want := order, []string{"long", "short", "long"}; len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Fatalf("order %v, want %v", got, want)
	}
}

func TestTaskThatIsHandedOnRunsBeforeTheQueue(t *testing.T) {
	p := NewPool(0, NewPlain, quietLog)
	var order []string
	second := newWork(p, func(*Worker) { order = append(order, "second") })
	third := newWork(p, func(*Worker) { order = append(order, "third") })
	first := newWork(p, func(w *Worker) {
		order = append(order, "first")
		second.ScheduleOn(w)
		third.ScheduleOn(w) // the slot is taken: into the queue
	})
	other := newWork(p, func(*Worker) { order = append(order, "other") })
	first.Schedule()
	other.Schedule()
	drain(p, NewWorker(p, Plain{}))
	want := []string{"first", "second", "other", "third"}
	for i := range want {
		if i >= len(order) || order[i] != want[i] {
			t.Fatalf("order %v, want %v", order, want)
		}
	}
}

func TestPanicIsReportedToTheTaskAndTheWorkerGoesOn(t *testing.T) {
	p := NewPool(1, NewPlain, quietLog)
	cause := make(chan any, 1)
	bad := newWork(p, func(*Worker) { panic("broken") })
	bad.panicked = func(c any) { cause <- c }
	bad.Schedule()
	if got := <-cause; got != "broken" {
		t.Fatalf("cause %v", got)
	}
	ran := make(chan bool)
	newWork(p, func(*Worker) { ran <- true }).Schedule()
	<-ran
	bad.Schedule() // it is idle again, not stuck
	<-cause
	p.Close()
}

// Many goroutines schedule many Tasks on several workers: no Task runs twice
// at a time, and none misses what was asked of it.
func TestPoolRunsEveryTaskThatWasAskedForAndNeverTwiceAtATime(t *testing.T) {
	const tasks, schedulers, rounds = 50, 8, 2000
	p := NewPool(4, NewPlain, quietLog)
	type cell struct {
		k       *work
		wanted  atomic.Int64
		seen    atomic.Int64
		running atomic.Bool
	}
	cells := make([]*cell, tasks)
	for i := range cells {
		c := &cell{}
		c.k = newWork(p, func(*Worker) {
			if !c.running.CompareAndSwap(false, true) {
				t.Error("a task runs twice at a time")
			}
			c.seen.Store(c.wanted.Load())
			c.running.Store(false)
		})
		cells[i] = c
	}
	var wg sync.WaitGroup
	for s := range schedulers {
		wg.Go(func() {
			for i := range rounds {
				c := cells[(i*7+s)%tasks]
				c.wanted.Add(1)
				c.k.Schedule()
			}
		})
	}
	wg.Wait()
	p.Close()
	for i, c := range cells {
		if c.wanted.Load() != c.seen.Load() {
			t.Errorf("task %d: last run saw %d of %d", i, c.seen.Load(), c.wanted.Load())
		}
	}
	if n := p.Queued(); n != 0 {
		t.Errorf("%d tasks still queued", n)
	}
}

// Workers park and are woken again and again; a lost wake-up would hang.
func TestPoolThatGoesIdleWakesForEveryTask(t *testing.T) {
	p := NewPool(3, NewPlain, quietLog)
	defer p.Close()
	done := make(chan struct{})
	k := newWork(p, func(*Worker) { done <- struct{}{} })
	for range 5000 {
		k.Schedule()
		<-done
	}
}

func TestPoolWithoutWorkersRunsOnItsPoller(t *testing.T) {
	p := NewPool(0, NewPlain, quietLog)
	poller, err := New(p, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	runs := 0
	var k *work
	k = newWork(p, func(w *Worker) {
		if runs++; runs%3 != 0 {
			k.Schedule() // itself, and still others have their turn
			return
		}
		done <- struct{}{}
	})
	for range 1000 {
		k.Schedule()
		<-done
	}
	if err := poller.Close(); err != nil {
		t.Error(err)
	}
	p.Close()
}

func TestQueueKeepsNoTaskThatLeftIt(t *testing.T) {
	var q queue
	q.init()
	tasks := make([]Task, 5)
	for i := range tasks {
		q.push(&tasks[i])
	}
	for i := range tasks {
		if got := q.pop(); got != &tasks[i] {
			t.Fatalf("pop %d: got %p, want %p", i, got, &tasks[i])
		}
		if tasks[i].next.Load() != nil {
			t.Fatalf("task %d still points at another", i)
		}
	}
	if q.pop() != nil || q.size.Load() != 0 {
		t.Fatal("queue is not empty")
	}
}

type note struct {
	link *note
	from int
	seq  int
}

func (n *note) Link() **note { return &n.link }

func TestInboxKeepsTheOrderOfEachSender(t *testing.T) {
	const senders, notes = 6, 3000
	var in Inbox[note, *note]
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range notes {
				in.Put(&note{from: s, seq: i})
			}
		})
	}
	next, got := [senders]int{}, 0
	for got < senders*notes {
		for n := in.TakeAll(); n != nil; n = n.link {
			if n.seq != next[n.from] {
				t.Fatalf("sender %d: got %d, want %d", n.from, n.seq, next[n.from])
			}
			next[n.from]++
			got++
		}
	}
	wg.Wait()
	if in.TakeAll() != nil {
		t.Fatal("inbox is not empty")
	}
}

func BenchmarkScheduleAndRun(b *testing.B) {
	p := NewPool(0, NewPlain, quietLog)
	w := NewWorker(p, Plain{})
	k := newWork(p, func(*Worker) {})
	b.ReportAllocs()
	for b.Loop() {
		k.Schedule()
		p.Step(w)
	}
}

func BenchmarkScheduleAcrossWorkers(b *testing.B) {
	p := NewPool(2, NewPlain, quietLog)
	defer p.Close()
	done := make(chan struct{})
	k := newWork(p, func(*Worker) { done <- struct{}{} })
	b.ReportAllocs()
	for b.Loop() {
		k.Schedule()
		<-done
	}
}
