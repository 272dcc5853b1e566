package poller

import "sync/atomic"

// Runner is what a Task runs.
type Runner interface {
	// Run does a short piece of work (about a millisecond at most) on w and
	// must not block. A Run that has more to do schedules its Task again,
	// which puts it behind the others.
	Run(w *Worker)
	// Panicked is called on the same worker after Run panicked with cause
	// and the pool has logged it. It gives up whatever Run was working on.
	Panicked(w *Worker, cause any)
}

// The states of a Task and who moves it between them.
//
//	state    Schedule (anybody)      worker
//	idle     → queued, and enqueue   –
//	queued   nothing to do           → running, when taken from the queue
//	running  → rerun                 → idle, when Run returned
//	rerun    nothing to do           → queued, and enqueue, when Run returned
const (
	taskIdle uint32 = iota
	taskQueued
	taskRunning
	taskRerun
)

// Task is a function that runs on a Pool whenever somebody asks for it, never
// twice at the same time. However often it is asked for while it runs, it runs
// exactly once more. Schedule may be called from anywhere; the other methods
// belong to the worker that took the Task from the queue.
type Task struct {
	next   atomic.Pointer[Task] // the run queue's link
	runner Runner               // static after Init
	pool   *Pool                // static after Init
	state  atomic.Uint32
}

// Init ties the Task to the pool that runs it. It must be called once, before
// the Task is shared.
func (t *Task) Init(p *Pool, r Runner) {
	t.pool, t.runner = p, r
}

// Schedule asks for a run of the Task. It never blocks.
func (t *Task) Schedule() {
	if t.claim() {
		t.pool.enqueue(t)
	}
}

// ScheduleOn is Schedule for a caller that is itself running on w, and for
// short Tasks: no other worker is woken, because w will soon see to it. The
// first Task runs as soon as the present one returns, which suits a chain in
// which each link hands its result to the next. With a nil w it is Schedule.
func (t *Task) ScheduleOn(w *Worker) {
	switch {
	case !t.claim():
	case w != nil && w.next == nil:
		w.next = t
	case w != nil:
		t.pool.queue.push(t)
	default:
		t.pool.enqueue(t)
	}
}

// claim reports whether the caller has to put the Task into the run queue.
func (t *Task) claim() bool {
	for {
		switch s := t.state.Load(); s {
		case taskIdle:
			if t.state.CompareAndSwap(taskIdle, taskQueued) {
				return true
			}
		case taskRunning:
			if t.state.CompareAndSwap(taskRunning, taskRerun) {
				return false
			}
		default: // queued, rerun: a run is on its way
			return false
		}
	}
}

// begin moves a Task that was taken from the queue from queued to running.
func (t *Task) begin() {
	t.state.Store(taskRunning)
}

// end moves a Task whose Run returned to idle, or, when it was asked for in
// the meantime, back into the queue, at which the worker looks next.
func (t *Task) end() {
	if !t.state.CompareAndSwap(taskRunning, taskIdle) {
		t.state.Store(taskQueued)
		t.pool.queue.push(t)
	}
}
