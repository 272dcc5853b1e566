package soak

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// exit is how a client leaves.
type exit uint8

const (
	byClose exit = iota // with a close frame (RFC 6455 §7.1.2)
	byFIN               // by ending its side of the stream
	byReset             // with a TCP reset
	byCut               // by ending the socket's stream, where TLS has not ended its own; else as byReset
	exits
)

// exitOf decides how somebody leaves.
func exitOf(r *rand.Rand, gentle bool) exit {
	if gentle {
		return exit(r.IntN(int(byReset)))
	}
	return exit(r.IntN(int(exits)))
}

// leave is a client's end, as far as it has come.
type leave struct {
	intends bool // leaves as soon as it has heard what is due to it
	upTo    int  // messages of the ledger that are
	exit    exit
	code    ws.StatusCode // of the server's close frame
	must    int           // messages of the ledger that are due to it before the stream ends
}

// The ways in which a healthy client's end is wrong.
var (
	errCutOff   = errors.New("a healthy client was cut off")
	errAnswer   = errors.New("a close frame was not answered with its code")
	errFarewell = errors.New("a healthy client was not told 1001 when the server went away")
	errRest     = errors.New("the stream ended before a client had heard what was queued for it")
)

// finish has the client leave once it has heard the ledger's first upTo
// messages, as far as it has to.
func (c *client) finish(upTo int, how exit) {
	c.leave.intends, c.leave.upTo, c.leave.exit = true, upTo, how
	c.Schedule()
}

// check leaves when it is time to.
func (l *leave) check(c *client) {
	if !l.intends || c.stage != open || c.asleep || c.publisher != nil && !c.publisher.finished() {
		return
	}
	if c.place.known && c.place.next < l.upTo || !c.place.known && (c.early || c.room.ledger.due(&c.place, c.room.ledger.end())) {
		return
	}
	c.depart(l.exit)
}

// depart leaves at once, or as soon as the handshake is done.
func (c *client) depart(how exit) {
	switch {
	case c.shakes():
		c.finish(0, how)
		return
	case c.stage != open:
		return
	}
	// What others have heard was published before the goodbye.
	c.leave.exit, c.leave.must = how, c.room.ledger.end()
	switch how {
	case byClose:
		c.stage = leaving
		c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
		c.Schedule()
	case byFIN:
		c.stage = leaving
		c.End()
	case byCut:
		if !c.Secure() {
			c.depart(byReset)
			return
		}
		c.full, c.stage = false, leaving
		c.crowd.tally.Unsaid++
		c.ShutdownWrite()
	case byReset:
		c.full = false // what it was sent last is not known
		// Without it the socket would be closed by a FIN, where nothing is unread.
		_ = unix.SetsockoptLinger(int(c.FD()), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		c.gone()
	}
}

// told is called when the server's close frame comes.
func (l *leave) told(c *client, payload []byte) {
	var reason string
	l.code, reason = ws.ParseCloseFrameData(payload)
	switch {
	case c.stage == leaving: // an answer, or both at a time
	case !c.full, c.crowd.terminating && l.code == ws.StatusGoingAway:
		c.stage = leaving
		c.send(ws.NewCloseFrame(payload))
	default:
		c.wrong(fmt.Errorf("%w: %d %s", errCutOff, l.code, reason))
	}
}

// over is called when the stream has ended, or broke.
func (c *client) over(err error) {
	t, l := &c.crowd.tally, &c.leave
	switch {
	case c.crowd.terminating && l.code == ws.StatusGoingAway && c.Secure() && c.full && !errors.Is(err, errHungUp):
		c.crowd.fault(fmt.Errorf("behind 1001, by TLS: %w", err))
	case c.crowd.terminating && l.code == ws.StatusGoingAway:
		t.GoingAway++
		if c.full && c.room.ledger.due(&c.place, l.must) {
			c.crowd.fault(errRest)
		}
	case c.stage == shaking && c.parted:
		t.Parted++
	case c.stage == shaking:
		c.crowd.fault(fmt.Errorf("handshake: %w", err))
	case !c.full:
		if c.crowd.terminating {
			t.Ended++
		}
	case c.crowd.terminating:
		c.crowd.fault(fmt.Errorf("%w: %w", errFarewell, err))
	case c.stage != leaving:
		c.crowd.fault(fmt.Errorf("%w: %w", errCutOff, err))
	case !errors.Is(err, errHungUp):
		c.crowd.fault(fmt.Errorf("on leaving: %w", err))
	case l.exit == byClose && l.code != ws.StatusNormalClosure:
		c.crowd.fault(fmt.Errorf("%w: %d", errAnswer, l.code))
	case c.room.ledger.due(&c.place, l.must):
		c.crowd.fault(errRest)
	}
	c.gone()
}
