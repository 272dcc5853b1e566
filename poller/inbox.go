package poller

import "sync/atomic"

// Inbox hands things from anybody to one owner: a Task takes what others have
// put. The things are linked through themselves, so that putting allocates
// nothing; T is a pointer to a struct with a method that gives its link.
//
// Put may be called by anybody, TakeAll by the owner alone.
type Inbox[E any, T interface {
	*E
	Link() *T
}] struct {
	newest atomic.Pointer[E]
}

// Put adds e. It must not be in this or another inbox.
func (b *Inbox[E, T]) Put(e T) {
	for {
		top := b.newest.Load()
		*e.Link() = top
		if b.newest.CompareAndSwap(top, e) {
			return
		}
	}
}

// TakeAll empties the inbox. The result is the oldest; its Link leads to the
// next younger one, and so on.
func (b *Inbox[E, T]) TakeAll() T {
	if b.newest.Load() == nil {
		return nil
	}
	var oldest T
	for e := T(b.newest.Swap(nil)); e != nil; {
		next := *e.Link()
		*e.Link() = oldest
		oldest, e = e, next
	}
	return oldest
}
