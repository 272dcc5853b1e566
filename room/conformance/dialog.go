package conformance

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gobwas/ws"
)

// dialog is what is sent on an established connection, and what must come back.
type dialog struct {
	open []change // of the opening handshake
	send []byte
	cut  int       // bytes that are written at a time; 0: all
	echo []message // that come back, in this order
	ping []string  // that are answered: the last one at least (RFC 6455 §5.5.3)
	form form      // of what comes back
	end  end
	hush bool // the peer ends its own stream behind what it sends
}

// form is how a message is sent; only of a Strict target.
type form uint8

const (
	anyForm form = iota
	compressed
	plain
)

// end is how a dialog ends, but for the end of the stream, which always comes.
// The zero value is that the server has no reason to end it: once everything
// has come, the peer closes with 1000.
type end struct {
	codes []int // of the close frame, chatd's first; 0: it has no body
	any   bool  // any other code will do, too, unless the target is Strict
	none  bool  // no close frame will do, too, unless the target is Strict
}

// fails is that the server fails the connection (RFC 6455 §7.1.7).
func fails(codes ...int) end { return end{codes: codes, none: true} }

// answers is that the server answers the peer's close frame (§5.5.1). It
// typically, but not necessarily, has the same code.
func answers(code int) end { return end{codes: []int{code}, any: true} }

// vanishes is that there is no close frame.
var vanishes = end{codes: []int{}, any: true, none: true}

// run is the case that d is.
func (d dialog) run(p *peer) {
	h := newHead(p.target, d.open...)
	p.write(h.bytes(), 0)
	p.opened(h)
	p.converse(d)
}

// converse does what follows the opening handshake.
func (p *peer) converse(d dialog) {
	end := d.end
	sent := make(chan struct{})
	defer func() { // also where it panics
		p.conn.Close()
		<-sent
	}()
	go func() {
		defer close(sent)
		p.write(d.send, d.cut)
		if d.hush {
			_ = p.conn.CloseWrite() // as write
		}
	}()
	echoes, pongs := d.echo, d.ping
	owed := len(d.ping) > 0 // the pong to the last ping
	said := false
	for {
		if len(echoes) == 0 && !owed && end.codes == nil && !said {
			said, end = true, answers(1000)
			<-sent
			p.write(closing(1000, "").bytes(), 0)
		}
		m := p.next()
		switch {
		case m.end != nil:
			p.ended(end, len(echoes), owed, m)
			return
		case m.op == ws.OpClose:
			p.ended(end, len(echoes), owed, m)
			if end.none && !p.target.Strict { // it may wait for the answer
				<-sent
				p.write(closing(closeCode(m.payload), "").bytes(), 0)
			}
			p.finished(nil)
			return
		case m.op == ws.OpPing: // whenever the server likes
		case m.op == ws.OpPong:
			at := slices.Index(pongs, m.payload)
			if at < 0 && (len(d.ping) > 0 || p.target.Strict) {
				failf("a pong %.100q that answers no ping (RFC 6455 §5.5.3)", m.payload)
			}
			pongs = pongs[at+1:]
			owed = owed && m.payload != d.ping[len(d.ping)-1]
		case len(echoes) == 0:
			failf("a message %.100q that was not sent, or comes twice", m.payload)
		case m.op != echoes[0].op || m.payload != echoes[0].payload:
			failf("opcode %d %.100q (%d bytes), want opcode %d %.100q (%d bytes)", m.op, m.payload, len(m.payload),
				echoes[0].op, echoes[0].payload, len(echoes[0].payload))
		default:
			p.checkForm(d.form, m)
			echoes = echoes[1:]
		}
	}
}

// checkForm holds the target to what chatd promises of frames.
func (p *peer) checkForm(want form, m received) {
	switch {
	case !p.target.Strict:
	case m.fragmented:
		failf("a message comes in fragments")
	case want == compressed && !m.compressed:
		failf("a message of %d bytes comes uncompressed", len(m.payload))
	case want == plain && m.compressed:
		failf("a message of %d bytes comes compressed", len(m.payload))
	}
}

// ended judges the server's last word: m is a close frame or the end of the
// stream. It still owed some messages, and perhaps a pong.
func (p *peer) ended(want end, echoes int, pong bool, m received) {
	strict := p.target.Strict
	switch {
	case echoes > 0:
		failf("%s before %d messages have come", m.last(), echoes)
	case pong:
		failf("%s before the last ping is answered (RFC 6455 §5.5.2)", m.last())
	case isTimeout(m.end):
		failf("the server does not close the connection (RFC 6455 §7.1.1)")
	case want.codes == nil:
		failf("%s for no reason", m.last())
	case m.end != nil:
		if len(want.codes) > 0 && (strict || !want.none) {
			failf("%s, want close code %s", m.last(), codes(want.codes))
		}
		p.finished(m.end)
	default:
		permitted := want.codes
		if strict {
			permitted = permitted[:min(1, len(permitted))]
		}
		if !slices.Contains(permitted, closeCode(m.payload)) && (strict || !want.any) {
			failf("%s, want close code %s", m.last(), codes(permitted))
		}
	}
}

// last is m in words, where it is the end.
func (m received) last() string {
	if m.end != nil {
		return fmt.Sprintf("the stream's end (%v)", m.end)
	}
	return fmt.Sprintf("close code %d %q", closeCode(m.payload), m.payload[min(2, len(m.payload)):])
}

func codes(all []int) string { return strings.Trim(fmt.Sprint(all), "[]") }
