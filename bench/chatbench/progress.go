package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress tells how far a run is: a bar on a terminal, now and then a line
// elsewhere. It belongs to the goroutine that runs the scenario.
type progress struct {
	prefix string
	out    io.Writer
	bar    *progressbar.ProgressBar // nil: lines
	shown  time.Time
}

const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 5 * time.Second
)

func newProgress(out *os.File, prefix string) *progress {
	p := &progress{prefix: prefix, out: out, shown: time.Now()}
	if term.IsTerminal(int(out.Fd())) {
		p.bar = progressbar.NewOptions(1, progressbar.OptionSetWriter(out), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetWidth(20), progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(barInterval))
	}
	return p
}

// show says what is being done and how much of it is.
func (p *progress) show(what string, done, total int) {
	switch {
	case p.bar != nil:
		p.bar.ChangeMax(max(total, 1))
		p.bar.Describe(p.prefix + what)
		_ = p.bar.Set(min(done, total)) // a bar that can't be drawn is no reason to stop
	case time.Since(p.shown) >= lineInterval:
		p.shown = time.Now()
		fmt.Fprintf(p.out, "%s%s, %d %%\n", p.prefix, what, 100*min(done, total)/max(total, 1))
	}
}

// done takes the bar away.
func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Clear() // as above
	}
}
