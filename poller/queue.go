package poller

import "sync/atomic"

// queue is the pool's run queue: an unbounded FIFO of Tasks linked through
// themselves, so that enqueueing allocates nothing. It is D. Vyukov's
// intrusive multi-producer single-consumer queue; the workers take turns at
// being the consumer by trying to take a token, and never wait for it.
//
// push may be called by anybody. head belongs to the holder of the token.
type queue struct {
	tail  atomic.Pointer[Task] // the last pushed, or stub
	size  atomic.Int64         // pushed and not yet popped
	token atomic.Bool
	head  *Task
	stub  Task
}

func (q *queue) init() {
	q.head = &q.stub
	q.tail.Store(&q.stub)
}

func (q *queue) push(t *Task) {
	q.size.Add(1)
	q.link(t)
}

func (q *queue) link(t *Task) {
	prev := q.tail.Swap(t)
	prev.next.Store(t)
}

// pop takes the first Task. It returns nil when the queue is empty, when
// another worker holds the token, or when a push is half done; size tells
// these apart: while it is above zero, trying again is right.
func (q *queue) pop() *Task {
	if q.size.Load() == 0 || !q.token.CompareAndSwap(false, true) {
		return nil
	}
	t := q.take()
	q.token.Store(false)
	if t != nil {
		q.size.Add(-1)
	}
	return t
}

func (q *queue) take() *Task {
	head := q.head
	next := head.next.Load()
	if head == &q.stub {
		if next == nil {
			return nil
		}
		q.head = next
		q.stub.next.Store(nil)
		head, next = next, next.next.Load()
	}
	if next == nil {
		if q.tail.Load() != head {
			return nil // a push is half done
		}
		// head is the last one: it may only leave with a successor.
		q.link(&q.stub)
		if next = head.next.Load(); next == nil {
			return nil // a push came between
		}
	}
	q.head = next
	// An idle Task must not keep its old neighbours from the collector.
	head.next.Store(nil)
	return head
}
