package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a run is made of.
type Options struct {
	Cluster    Config
	Schedule   *Schedule
	Clients    int
	Publishers int
	Rooms      int
	Rate       float64       // messages a second, of all together
	Patience   time.Duration // for everybody to have heard everything, once all is well
	// Progress is told what is being done, and how many seconds of how many it has taken.
	Progress func(what string, done, total int)
}

// pause is how long each waits between two messages.
func (o *Options) pause() time.Duration {
	return time.Duration(float64(o.Clients+o.Publishers) / o.Rate * float64(time.Second))
}

// Report is what a run found.
type Report struct {
	Schedule   *Schedule
	Began      time.Time
	Took       time.Duration
	Calm       time.Duration // that it took until everybody had heard everything
	Deeds      []Deed
	Violations []Deed
	Counts     map[string]int
	Cut        bool // it was interrupted
}

// run is one.
type run struct {
	options    Options
	cluster    *Cluster
	court      *court
	rooms      []*room
	clients    []*client
	publishers []*publisher
	talking    atomic.Bool // new messages are said
}

// Run does all of it. When ctx ends it is cut short, but what was heard until then is
// judged. An error means that it could not go on.
func Run(ctx context.Context, o Options) (report *Report, err error) {
	report = &Report{Schedule: o.Schedule, Began: time.Now()}
	defer func() { report.Took = time.Since(report.Began) }()
	r := &run{options: o, court: new(court)}
	r.cluster, err = Start(ctx, o.Cluster)
	defer func() {
		if e := r.cluster.Close(); err == nil {
			err = e
		}
	}()
	if err != nil {
		return report, err
	}
	harm, err := newHarm(r.cluster)
	if err != nil {
		return report, err
	}
	defer harm.nc.Close()
	r.court.harm.Store(harm)
	leave := r.gather()
	err = r.trouble(ctx, harm)
	if report.Cut = ctx.Err() != nil; report.Cut || err == nil {
		err = nil
		report.Calm = r.calm()
	}
	leave()
	for _, c := range r.clients {
		for _, p := range c.all() {
			p.judge()
		}
	}
	for _, room := range r.rooms {
		r.court.add("messages", room.count())
	}
	report.Deeds = harm.done()
	report.Violations, report.Counts = r.court.found()
	return report, err
}

// gather has everybody come, until leave is called.
func (r *run) gather() (leave func()) {
	o := &r.options
	random := rand.New(rand.NewPCG(o.Schedule.Seed, 2))
	for i := range o.Rooms {
		r.rooms = append(r.rooms, newRoom(fmt.Sprint("room.", i), r.court))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range o.Clients {
		c := newClient(r, i, rand.New(rand.NewPCG(random.Uint64(), 0)), r.rooms)
		r.clients = append(r.clients, c)
	}
	for i := range o.Publishers {
		p := &publisher{run: r, name: fmt.Sprint("publisher-", i), rooms: r.rooms, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
		r.publishers = append(r.publishers, p)
	}
	r.talking.Store(true)
	for _, c := range r.clients {
		all.Go(func() { c.live(ctx) })
	}
	for _, p := range r.publishers {
		all.Go(func() { p.live(ctx) })
	}
	return func() {
		cancel()
		all.Wait()
		http.DefaultClient.CloseIdleConnections()
	}
}

// trouble has happen what is to happen. Nobody says anything new behind its time, though
// faults may go on: what the last messages suffer shows only by itself.
func (r *run) trouble(ctx context.Context, h *harm) error {
	defer r.progress("harm is done", r.options.Schedule.Duration)()
	hush := func() { r.talking.Store(false) }
	defer hush()
	defer time.AfterFunc(r.options.Schedule.Duration, hush).Stop()
	return h.carryOut(ctx, r.options.Schedule)
}

// calm waits until everybody has heard everything, now that all is well and nobody says
// anything new, and returns how long that took.
func (r *run) calm() time.Duration {
	defer r.progress("waiting until all have heard all", r.options.Patience)()
	began := time.Now()
	for {
		behind := r.behind()
		took := time.Since(began)
		if len(behind) == 0 {
			return took
		}
		if took > r.options.Patience {
			for _, line := range behind {
				r.court.rule("%s after everything was well: %s", r.options.Patience, line)
			}
			return took
		}
		time.Sleep(10 * polling)
	}
}

// progress tells how far it is until stop is called.
func (r *run) progress(what string, length time.Duration) (stop func()) {
	began, ticker := time.Now(), time.NewTicker(time.Second)
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			r.options.Progress(what, int(time.Since(began).Seconds()), int(length.Seconds()))
			select {
			case <-ticker.C:
			case <-ended:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(ended)
		<-done
	}
}
