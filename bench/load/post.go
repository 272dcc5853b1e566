package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"chatd/poller"
)

// post is a connection over which a sender publishes by HTTP, as its client can't. It
// belongs to the fleet's worker, but for what is written.
type post struct {
	Wire
	fleet *Fleet
	tail  []byte
}

// post connects one; number is that of the sender's client.
func (f *Fleet) post(number int) (*post, error) {
	fd, secure, err := f.target.connect(number, Healthy, &f.in)
	if err != nil {
		return nil, err
	}
	p := &post{fleet: f, Wire: Wire{secure: secure}}
	p.Attach(fd, f.pool, p)
	f.posts = append(f.posts, p)
	return p, f.poller.Watch(&p.Conn)
}

// Run implements poller.Runner: it takes in the answers.
func (p *post) Run(w *poller.Worker) {
	for p.FD() >= 0 {
		kept := copy(w.Scratch, p.tail)
		n := p.Read(w.Scratch[kept:])
		if n == poller.WouldBlock {
			return
		}
		if n <= 0 {
			p.lost(errors.New("hung up on"))
			return
		}
		rest, err := p.answers(w.Scratch[:kept+n])
		if err != nil {
			p.lost(err)
			return
		}
		p.tail = append(p.tail[:0], rest...)
	}
}

// answers takes the whole answers off b, and returns the rest. Whoever is refused has
// lost the message, which those who listen find out.
func (p *post) answers(b []byte) (rest []byte, err error) {
	for bytes.Contains(b, endOfHead) {
		source := bytes.NewReader(b)
		in := bufio.NewReader(source)
		r, err := http.ReadResponse(in, nil)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(r.Body)
		}
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF):
			return b, nil
		case err != nil:
			return nil, fmt.Errorf("no HTTP answer: %w", err)
		case r.StatusCode >= http.StatusMultipleChoices:
			r.Body = io.NopCloser(bytes.NewReader(body))
			p.fleet.note(refused(r, "a message"))
		}
		b = b[len(b)-in.Buffered()-source.Len():]
	}
	return b, nil
}

// Writable implements poller.Handler.
func (p *post) Writable(w *poller.Worker) { p.ScheduleOn(w) }

// Panicked implements poller.Runner.
func (p *post) Panicked(_ *poller.Worker, cause any) { p.lost(fmt.Errorf("harness: %v", cause)) }

func (p *post) lost(why error) {
	if !p.fleet.ending {
		p.fleet.note(fmt.Errorf("a connection to publish over: %w", why))
		p.fleet.cutOff.Add(1)
	}
	p.Close()
}
