package soak

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Config is what a run needs besides its schedule.
type Config struct {
	Schedule *Schedule
	// Start starts a server with -admin; it is called once for each life.
	Start func(context.Context) (*Server, error)
	// Progress is told what is being done, and how many seconds of how many it
	// has taken.
	Progress func(what string, done, total int)
}

// Report is what a run found.
type Report struct {
	Schedule *Schedule
	Began    time.Time
	Took     time.Duration
	Lives    []Outcome
	Phases   map[Kind]int // that were carried out
	Cut      bool         // it was interrupted: not all of the schedule was carried out
}

// Outcome is that of one life.
type Outcome struct {
	Evidence Evidence
	Checks   []Check
}

// Failed is the number of checks that failed.
func (r *Report) Failed() (n int) {
	for _, l := range r.Lives {
		for _, c := range l.Checks {
			if !c.OK {
				n++
			}
		}
	}
	return n
}

// Run carries the schedule out. When ctx ends it is cut short, but what was
// begun is checked. An error means that it could not go on; the report is of
// the lives until then.
func Run(ctx context.Context, config Config) (*Report, error) {
	r := &Report{Schedule: config.Schedule, Began: time.Now(), Phases: make(map[Kind]int)}
	defer func() { r.Took = time.Since(r.Began) }()
	var what atomic.Value
	what.Store("starting")
	defer progress(config, func() string { return what.Load().(string) })()
	for i := range config.Schedule.Lives {
		if ctx.Err() != nil {
			break
		}
		server, err := config.Start(ctx)
		if err != nil {
			return r, fmt.Errorf("life %d: %w", i+1, err)
		}
		l := &life{plan: &config.Schedule.Lives[i], server: server, done: r.Phases,
			say: func(s string) { what.Store(fmt.Sprintf("life %d of %d: %s", i+1, len(config.Schedule.Lives), s)) }}
		if err := l.live(ctx); err != nil {
			server.Kill()
			return r, fmt.Errorf("life %d: %w", i+1, err)
		}
		r.Lives = append(r.Lives, Outcome{l.evidence, l.evidence.judge()})
	}
	r.Cut = ctx.Err() != nil
	return r, nil
}

// overhead is about what the checks of a life take.
const overhead = 12 * time.Second

// progress tells how far the run is until stop is called.
func progress(config Config, what func() string) (stop func()) {
	total := time.Duration(0)
	for _, l := range config.Schedule.Lives {
		total += l.Warmup[0].Length + l.Length + l.Restart.Length + overhead
	}
	ctx, cancel := context.WithCancel(context.Background())
	began, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		every(ctx, time.Second, func() bool {
			config.Progress(what(), int(time.Since(began).Seconds()), int(total.Seconds()))
			return true
		})
	}()
	return func() { cancel(); <-done }
}
