package jetstream

import "sync"

// mailbox is what others want done by the goroutine that owns something. Putting never
// waits for it: the lock is held for an append. Copies of messages have a channel instead.
type mailbox struct {
	wake chan struct{} // has an element when there may be something

	mu   sync.Mutex
	jobs []func()
}

func newMailbox() mailbox { return mailbox{wake: make(chan struct{}, 1)} }

func (b *mailbox) put(job func()) {
	b.mu.Lock()
	b.jobs = append(b.jobs, job)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// do does all that was put, in its order. The owner calls it.
func (b *mailbox) do() {
	b.mu.Lock()
	jobs := b.jobs
	b.jobs = nil
	b.mu.Unlock()
	for _, job := range jobs {
		job()
	}
}
