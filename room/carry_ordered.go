package room

// The part of rooms whose order is a Source's: how far they are. What the Source keeps it
// tells again, and what the other program had of it is in the logs.

// unsettled reports whether something is on its way to its place, or from it.
func (o *ordered) unsettled() bool {
	return !o.inbox.Empty() || o.coming.first != nil || o.window.busy() || len(o.waits) > 0 || len(o.held) > 0 || o.asking
}

func (o *ordered) carry(w *carrier) {
	w.Uint(o.top)
	w.Int(o.at.Load())
	w.Uint(o.gap)
	w.Uint(o.forgotten)
	w.Bool(o.past)
	o.numbers.carry(w.Writer)
}

func (o *ordered) restore(r *restorer) {
	o.top = r.Uint()
	o.seq.Store(o.top)
	o.at.Store(r.Int())
	o.gap, o.forgotten, o.past = r.Uint(), r.Uint(), r.Bool()
	if o.hub.archive == nil {
		r.Fail("a room whose order is another one's keeps nothing")
		return
	}
	o.numbers.restore(r.Reader, o.hub.archive.floor, o.hub.log.Head().Seq)
	o.carried = true
}
