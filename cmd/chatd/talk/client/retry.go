package client

import (
	"math/rand/v2"
	"time"
)

// retry says when the next link is due: at random within a time that doubles, so
// that those whom a server lost at once do not come back at once.
type retry struct {
	due      <-chan time.Time // nil: there is a link
	min, max time.Duration    // the server's hints
	attempts int              // in a row
}

// hints takes the server's word for the bounds, within reason.
func (r *retry) hints(h Retries) {
	r.min = min(max(time.Duration(h.MinMS)*time.Millisecond, 100*time.Millisecond), time.Minute)
	r.max = min(max(time.Duration(h.MaxMS)*time.Millisecond, r.min), 10*time.Minute)
}

// ended takes note of a link that was good since opened: if that was long, the
// next trouble is another one.
func (r *retry) ended(opened time.Time) {
	if time.Since(opened) > r.max {
		r.attempts = 0
	}
}

// next has the next link due, not before atLeast is over, and returns when.
func (r *retry) next(atLeast time.Duration) time.Duration {
	limit := r.max
	if r.attempts < 16 { // far beyond max
		limit = min(r.max, r.min<<r.attempts)
	}
	r.attempts++
	wait := atLeast + rand.N(limit)
	r.due = time.After(wait)
	return wait
}
