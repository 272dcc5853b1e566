package poller

// freezer stops a pool's workers between two Tasks. As long as there is none it costs them
// a look at a pointer that nobody changes: its channels are used in an upgrade alone.
type freezer struct {
	held chan struct{} // each worker that stands still has put a token in
	thaw chan struct{} // closed when they go on
}

// Freeze has all workers, the poller, too, stand still between two Tasks, and returns when
// they do: then nothing changes that only Tasks change, and whoever has frozen the pool may
// look at all of it. Tasks may be scheduled meanwhile, and run after Thaw. It may be called
// by one at a time, and not by a worker.
func (p *Pool) Freeze() {
	f := &freezer{held: make(chan struct{}), thaw: make(chan struct{})}
	p.frozen.Store(f)
	for p.unpark() {
	}
	n := p.workers
	if poller := p.poller.Load(); poller != nil {
		n++
		poller.ring()
	}
	for range n {
		<-f.held
	}
}

// Thaw has the workers go on.
func (p *Pool) Thaw() {
	f := p.frozen.Swap(nil)
	close(f.thaw)
}

// stand has a worker stand still while the pool is frozen.
func (p *Pool) stand() {
	if f := p.frozen.Load(); f != nil {
		f.held <- struct{}{}
		<-f.thaw
	}
}
