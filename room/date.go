package room

import (
	"net/http"
	"sync/atomic"
	"time"
)

// date is the Date of the answers that don't come from net/http (RFC 9110
// §6.6.1). Anybody may read it; it is made anew when the second has changed.
type date struct {
	second int64 // that text says; the writer's
	text   atomic.Pointer[string]
}

// set is called with the time, now and then, by one at a time.
func (d *date) set(now time.Time) {
	if second := now.Unix(); d.text.Load() == nil || second != d.second {
		text := now.UTC().Format(http.TimeFormat)
		d.second = second
		d.text.Store(&text)
	}
}

func (d *date) get() string { return *d.text.Load() }
