package talk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"chatd/cmd/chatd/talk/client"
)

// lines is a chat in a pipe. What it hears is its client's Run's; what it says
// comes from a goroutine of its own, which a read may hold for ever.
type lines struct {
	client    *client.Client // nil: it only listens
	json      bool
	out, errs io.Writer

	// Owned by Run.
	welcomed bool
	offline  bool
	refused  int // lines

	ready      chan int    // once: the first welcome's limit of a text
	unreadable atomic.Bool // not all was read; written by say
}

// runLines chats until all of in is said, or ctx is done.
func runLines(ctx context.Context, o options, in *os.File, out, errs io.Writer) error {
	l := &lines{json: o.json, out: out, errs: errs, ready: make(chan int, 1)}
	o.config.Heard = l.heard
	run := func(ctx context.Context) error { return client.Listen(ctx, o.config) }
	if !o.listens() {
		l.client = client.New(o.config)
		run = l.client.Run
		if !isNull(in) {
			go l.say(ctx, in)
		}
	}
	switch err := run(ctx); {
	case errors.Is(err, syscall.EPIPE): // nobody listens any more
	case err != nil && l.welcomed:
		return err
	case err != nil:
		return fmt.Errorf("%s: %w", o.config.URL.Host, err)
	}
	if l.client != nil && l.client.Unconfirmed() > 0 {
		return fmt.Errorf("ended before %d lines were confirmed", l.client.Unconfirmed())
	}
	if l.refused > 0 {
		return fmt.Errorf("%d lines were refused", l.refused)
	}
	if l.unreadable.Load() {
		return errors.New("not all of standard input was said")
	}
	return nil
}

// isNull tells if f is /dev/null: nothing to say, which is not the same as a pipe
// in which nothing was said.
func isNull(f *os.File) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return err == nil && os.SameFile(null, info)
}

// say says each line of in, under its number. It begins with the first welcome,
// which says how long a line may be.
func (l *lines) say(ctx context.Context, in io.Reader) {
	var limit int
	select {
	case limit = <-l.ready:
	case <-ctx.Done():
		return
	}
	defer l.client.Finish()
	r := bufio.NewReaderSize(in, 64<<10)
	for n := 1; ; n++ {
		text, err := nextLine(r, limit)
		if text != "" && l.client.Say(ctx, strconv.Itoa(n), text) != nil {
			return // Run has ended, and says why
		}
		if err != nil {
			if err != io.EOF {
				l.unreadable.Store(true)
				l.tell("standard input: %s", err)
			}
			return
		}
	}
}

// nextLine reads a line, and returns it without its end. It keeps little more
// than limit bytes of one that is longer.
func nextLine(r *bufio.Reader, limit int) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line) <= limit {
			line = append(line, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r"), err
	}
}

// heard writes an event.
func (l *lines) heard(e client.Event) error {
	switch e.Type {
	case client.Welcome:
		if !l.welcomed {
			l.ready <- e.Limits.Message
		} else {
			l.tell("back after %s", max(e.Away, time.Second).Round(time.Second))
		}
		l.welcomed, l.offline = true, false
	case client.Gap:
		l.tell("%s", lost(e))
	case client.Offline:
		if !l.offline {
			l.tell("%s; trying again", visible(e.Err.Error()))
		}
		l.offline = true
	case client.Error:
		if e.Mine {
			l.refused++
			l.tell("line %s: %s: %s", e.Nonce, visible(e.Code), visible(e.Message))
		} else {
			l.tell("%s: %s", visible(e.Code), visible(e.Message))
		}
	}
	switch {
	case e.Again:
		return nil
	case l.json && e.Raw != nil:
		_, err := l.out.Write(append(visibleJSON(e.Raw), '\n'))
		return err
	case !l.json && e.Type == client.Say:
		_, err := fmt.Fprintln(l.out, visible(transcribe(e)))
		return err
	}
	return nil
}

// tell is for the one who started it. It may be called by anybody.
func (l *lines) tell(format string, args ...any) {
	fmt.Fprintf(l.errs, "chatd chat: "+format+"\n", args...)
}
