package poller

import "sync/atomic"

// Inbox hands things from anybody to one owner: a Task takes what others have
// put. The things are linked through themselves, so that putting allocates
// nothing; T is a pointer to a struct with a method that gives its link.
//
// Put may be called by anybody, the others by the owner alone.
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

// Empty reports whether nothing is in it.
func (b *Inbox[E, T]) Empty() bool { return b.newest.Load() == nil }

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

// Each takes everything and calls f with each thing, the oldest first. Others,
// and f, may put it again at once. If f panics, what it has not been called with
// is in the inbox again.
func (b *Inbox[E, T]) Each(f func(T)) {
	rest := b.TakeAll()
	if rest == nil {
		return
	}
	defer func() {
		for rest != nil { // f has panicked
			e := rest
			rest = *e.Link()
			b.Put(e)
		}
	}()
	for rest != nil {
		e := rest
		rest = *e.Link()
		f(e)
	}
}
