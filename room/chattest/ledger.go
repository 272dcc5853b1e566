package chattest

import (
	"cmp"
	"fmt"
	"strconv"
)

// Ledger is what a client has heard of one room, over all its connections to it:
// each message once, in order, or a gap in their place. It is one goroutine's. The
// zero value has heard nothing yet.
type Ledger struct {
	// Shared says that other servers have the room, too. Then numbers have holes, and
	// messages may be lost while the client is there. Static.
	Shared bool

	Heard   []*Event // the messages
	Gaps    []*Event
	Resumed int // joins that missed nothing

	epoch string // "": it was never in the room
	seq   uint64 // of the last message that was heard, or that a gap told is missing
	at    int64  // of that message; 0: not known

	gap *gap // that has to come before any message
}

// gap is what a gap has to tell, and the epoch behind it.
type gap struct {
	epoch    string
	from, to uint64
	why      string
}

// Position is where the ledger ends, for since.
func (l *Ledger) Position() string {
	if l.epoch == "" {
		return ""
	}
	p := l.epoch + "." + strconv.FormatUint(l.seq, 10)
	if l.at != 0 {
		p += "." + strconv.FormatInt(l.at, 10)
	}
	return p
}

// Seq is the number of the message where the ledger ends.
func (l *Ledger) Seq() uint64 { return l.seq }

// Take enters an event of the room. Each join has to be with the ledger's
// position. What could not come by now is an error.
func (l *Ledger) Take(e *Event) error {
	switch e.Type {
	case "welcome", "joined":
		return l.join(e)
	case "gap":
		return l.miss(e)
	case "say":
		return l.hear(e)
	}
	return nil
}

func (l *Ledger) join(e *Event) error {
	missing := true
	switch l.gap = nil; {
	case l.epoch == "":
		l.epoch, l.seq = e.Epoch, e.Seq
	case e.Epoch != l.epoch:
		l.gap = &gap{e.Epoch, 1, e.Seq, "epoch"}
	case e.Seq > l.seq:
		l.gap = &gap{e.Epoch, l.seq + 1, e.Seq, "history"}
	case e.Seq == l.seq && l.Shared && !e.Resumed: // something is missing further on
	case e.Seq == l.seq:
		missing = false
		l.Resumed++
	default:
		return fmt.Errorf("%s sets back what is at %s", e.Type, l.Position())
	}
	if e.Resumed == missing {
		return fmt.Errorf("%s at %s.%d says resumed: %t to what is at %s", e.Type, e.Epoch, e.Seq, e.Resumed, l.Position())
	}
	return nil
}

func (l *Ledger) miss(e *Event) error {
	told := gap{from: e.From, to: e.To, why: e.Why}
	want := l.gap
	if want != nil {
		told.epoch = want.epoch
	} else {
		told.epoch, want = e.Epoch, l.between(e)
	}
	if want == nil || told != *want {
		return fmt.Errorf("a gap from %d to %d (%s) at %s, expected %+v", e.From, e.To, e.Why, l.Position(), want)
	}
	l.epoch, l.seq, l.at, l.gap = cmp.Or(told.epoch, l.epoch), told.to, 0, nil
	l.Gaps = append(l.Gaps, e)
	return nil
}

// between is what a gap may tell that comes in place of messages, or in front of an epoch
// that has begun; nil: it can't be one.
func (l *Ledger) between(e *Event) *gap {
	switch {
	case l.epoch == "" || !l.Shared:
	case e.Epoch == "" && e.To > l.seq: // part of it another server may have told
		return &gap{from: min(e.From, l.seq+1), to: e.To, why: "history"}
	case e.Epoch != "" && e.Epoch != l.epoch:
		return &gap{epoch: e.Epoch, from: 1, to: e.To, why: "epoch"}
	}
	return nil
}

func (l *Ledger) hear(e *Event) error {
	switch {
	case l.epoch == "":
		return fmt.Errorf("message %d before a place", e.Seq)
	case l.gap != nil:
		return fmt.Errorf("message %d before %+v", e.Seq, l.gap)
	case e.Seq <= l.seq || e.Seq > l.seq+1 && !l.Shared:
		return fmt.Errorf("message %d after %d", e.Seq, l.seq)
	}
	l.seq, l.at = e.Seq, e.At
	l.Heard = append(l.Heard, e)
	return nil
}
