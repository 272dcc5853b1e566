package interop

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gobwas/ws"
)

// Mode is what is said about permessage-deflate, or that all is said over TLS.
type Mode int

const (
	Plain    Mode = iota // not offered
	Agreed               // offered and agreed on
	Declined             // offered, but chatd has it off
	Secure               // over TLS; offered if the program is not asked
)

// Modes are all of them.
var Modes = []Mode{Plain, Agreed, Declined, Secure}

func (m Mode) String() string { return [...]string{"not offered", "agreed", "declined", "over TLS"}[m] }

// trace is all that was seen of one run.
type trace struct {
	wire    Wire
	heard   []Message // by the neighbour
	told    told      // by the client
	trouble []string  // of the run itself: a timeout, an exit status
}

// judgeSecure says what was wrong over TLS, where nothing is seen on the wire. Who does
// not answer pings is sent away before it hears all.
func judgeSecure(t trace) []string {
	return slices.Concat(exchanged(t), saidClosed(t), t.trouble)
}

// judge says what was wrong.
func judge(t trace, mode Mode, fragments bool) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	switch w := t.wire; {
	case w.Request == nil:
		fault("no handshake")
	case w.Refusal != "":
		fault("refused: %s%s", w.Refusal, origin(w.Request))
	default:
		faults = append(faults, negotiated(w, mode)...)
		faults = append(faults, exchanged(t)...)
		faults = append(faults, onTheWire(t, mode, fragments)...)
	}
	return append(faults, t.trouble...)
}

func origin(r *http.Request) string {
	if o := r.Header.Get("Origin"); o != "" {
		return fmt.Sprintf(" (Origin: %s, Host: %s)", o, r.Host)
	}
	return ""
}

// negotiated judges what was agreed on.
func negotiated(w Wire, mode Mode) (faults []string) {
	const name = "permessage-deflate"
	offered := strings.Contains(strings.Join(w.Request.Header.Values("Sec-WebSocket-Extensions"), ","), name)
	agreed := strings.Contains(w.Response.Header.Get("Sec-WebSocket-Extensions"), name)
	if offered != (mode != Plain) {
		faults = append(faults, fmt.Sprintf("%s is offered: %v", name, offered))
	}
	if agreed != (mode == Agreed) {
		faults = append(faults, fmt.Sprintf("%s is agreed on: %v", name, agreed))
	}
	compressed := slices.ContainsFunc(w.Server, func(f Frame) bool { return f.Rsv1() })
	if compressed != agreed {
		faults = append(faults, fmt.Sprintf("the server sends compressed messages: %v", compressed))
	}
	return faults
}

// exchanged judges the messages.
func exchanged(t trace) (faults []string) {
	if want := slices.Concat(Greeting(), answer(), []Message{bye}); !slices.Equal(t.heard, want) {
		faults = append(faults, "the neighbour heard "+difference(t.heard, want))
	}
	if !slices.Equal(t.told.heard, t.heard) {
		faults = append(faults, "the client heard "+difference(t.told.heard, t.heard))
	}
	return faults
}

// difference tells where got leaves want.
func difference(got, want []Message) string {
	for i, m := range got {
		switch {
		case i == len(want):
			return fmt.Sprintf("more than %d messages: %s", i, m)
		case m != want[i]:
			return fmt.Sprintf("%s (%d bytes) as number %d instead of %s (%d bytes)", m, len(m.Payload), i+1, want[i], len(want[i].Payload))
		}
	}
	return fmt.Sprintf("%d messages of %d", len(got), len(want))
}

// onTheWire judges frames.
func onTheWire(t trace, mode Mode, fragments bool) (faults []string) {
	w := t.wire
	if w.Broken != "" {
		faults = append(faults, w.Broken)
	}
	// What is compressed may be too small to be split.
	if split := slices.ContainsFunc(w.Client, func(f Frame) bool { return f.OpCode == ws.OpContinuation }); split != fragments && mode != Agreed {
		faults = append(faults, fmt.Sprintf("a message in several frames: %v", split))
	}
	if slices.ContainsFunc(w.Client, func(f Frame) bool { return !f.Masked }) {
		faults = append(faults, "frames are not masked")
	}
	if !w.answersPing() {
		faults = append(faults, "no ping is answered")
	}
	for side, frames := range map[string][]Frame{"client": w.Client, "server": w.Server} {
		if how := closing(frames); how != "1000" {
			faults = append(faults, "the "+side+" closes with "+how)
		}
	}
	slices.Sort(faults)
	return append(faults, saidClosed(t)...)
}

// saidClosed judges the end, as the client tells it.
func saidClosed(t trace) (faults []string) {
	if c := t.told.closed; c != "1000" && c != "-" {
		faults = append(faults, fmt.Sprintf("the client says that it was closed with %q", c))
	}
	return faults
}

// closing is the code of the close frame, which no message may follow. (Some
// libraries answer the answer.)
func closing(frames []Frame) string {
	i := slices.IndexFunc(frames, func(f Frame) bool { return f.OpCode == ws.OpClose })
	switch {
	case i < 0:
		return "no close frame"
	case slices.ContainsFunc(frames[i:], func(f Frame) bool { return f.OpCode.IsData() }):
		return "messages behind the close frame"
	case len(frames[i].Payload) < 2:
		return "no code"
	}
	code, reason := ws.ParseCloseFrameData([]byte(frames[i].Payload))
	if code != ws.StatusNormalClosure {
		return fmt.Sprintf("%d %s", code, reason)
	}
	return "1000"
}
