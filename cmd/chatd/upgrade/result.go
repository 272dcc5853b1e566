package upgrade

import (
	"fmt"
	"sync"
	"time"

	"chatd/room/carry"
)

// Outcome is what became of an upgrade. Its text is a label.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"    // the new program goes on
	Refused Outcome = "refused" // it can't, or is none
	Failed  Outcome = "failed"  // this one could not be replaced
	Stopped Outcome = "stopped" // the server had to go
)

// Outcomes are all of them.
var Outcomes = []Outcome{Done, Refused, Failed, Stopped}

// Result is an upgrade that has come to its end. Who asked for it gets it as JSON.
type Result struct {
	Outcome  Outcome       `json:"outcome"`
	Why      string        `json:"why,omitempty"`  // it is not done
	From     string        `json:"from,omitempty"` // the versions
	To       string        `json:"to,omitempty"`
	Carried  int64         `json:"carried"`     // connections
	Left     int64         `json:"left"`        // those that were not carried
	Unserved time.Duration `json:"unserved_ns"` // for how long nobody was served
}

// Counts are an Upgrader's results since the first of the programs in this process was
// started. It may be used from anywhere.
type Counts struct {
	mu     sync.Mutex
	counts Totals
}

// Totals are what Counts has counted.
type Totals struct {
	Of            map[Outcome]uint64
	Unserved      time.Duration // in the last one in which anybody had to wait
	Carried, Left int64         // connections of the last that was done
}

// Totals are as at present.
func (c *Counts) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.counts
	t.Of = make(map[Outcome]uint64)
	for _, o := range Outcomes {
		t.Of[o] = c.counts.Of[o]
	}
	return t
}

// add counts r.
func (c *Counts) add(r Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts.Of == nil {
		c.counts.Of = make(map[Outcome]uint64)
	}
	c.counts.Of[r.Outcome]++
	if r.Unserved > 0 {
		c.counts.Unserved = r.Unserved
	}
	if r.Outcome == Done {
		c.counts.Carried, c.counts.Left = r.Carried, r.Left
	}
}

// carry writes what the next upgrade does not replace.
func (c *Counts) carry(w *carry.Writer) {
	t := c.Totals()
	for _, o := range Outcomes {
		w.Uint(t.Of[o])
	}
}

func (c *Counts) restore(r *carry.Reader) {
	of := make(map[Outcome]uint64)
	for _, o := range Outcomes {
		of[o] = r.Uint()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Of = of
}

// connections is a number of them, in words.
func connections(n int64) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprint(n, " connections")
}
