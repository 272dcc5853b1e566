package tls13

import (
	"crypto/cipher"
	"encoding/binary"
	"math"
	"sync"

	"chatd/poller"
)

// Why there is nothing more to read, as a [Got.N]. They are no errno.
const (
	// Truncated: the peer's stream ended without a close_notify. What came before may
	// be a part of what was meant.
	Truncated = -1<<16 - iota
	// Failed: the peer broke the protocol, or somebody changed what it sent. It is to
	// be told by Got.Alert.
	Failed
	// Alerted: the peer gave up, because of Got.Alert.
	Alerted
)

// A peer may change its keys so many times a second, and send so many records in a row
// that have no data.
const (
	updatesMost = 10
	uselessMost = 16
)

// Source is what is read from, as [poller.Conn.Read] says.
type Source interface {
	Read(p []byte) int
}

// Got is the outcome of a [Reader.Read].
type Got struct {
	// N is the number of bytes; 0 if the peer has closed its side; [poller.WouldBlock]
	// if there are none now; another negative errno, or Truncated, Failed or Alerted.
	N int
	// More says that there may be more to read, of which no event will tell.
	More bool
	// In is the number of bytes that the Source gave.
	In int
	// Update says that the peer wants the Writer to change its keys, too.
	Update bool
	// Alert is what the peer is to be told, or told.
	Alert Alert
}

// Reader is the direction from the peer. It belongs to who reads the socket.
type Reader struct {
	keys
	busy *reading // nil between records
}

// reading is what a Reader has that is not between two records.
type reading struct {
	partial []byte // the beginning of a record, as it came
	fresh   bool   // nobody has looked at partial, there may be whole records
	held    []byte // what was read, and there was no room for it

	message [4]byte // the head of a handshake message that has begun
	have    int     // … bytes of it
	body    int     // bytes that are left of its body

	second  uint32 // in which the peer has changed its keys
	updates int    // … so many times

	ended bool
	end   int // the Got.N from then on
	alert Alert
}

func (r *Reader) append(b []byte) []byte {
	b = r.keys.append(b)
	if b = appendBool(b, r.busy != nil); r.busy != nil {
		b = r.busy.append(b)
	}
	return b
}

func (r *Reader) parse(p *parser) {
	if r.keys.parse(p); p.bool() {
		r.work().parse(p)
	}
}

func (x *reading) append(b []byte) []byte {
	b = appendBool(appendBytes(b, x.partial), x.fresh)
	b = appendBytes(b, x.held)
	b = append(append(b, x.message[:]...), byte(x.have))
	b = binary.AppendUvarint(b, uint64(x.body))
	b = binary.AppendUvarint(b, uint64(x.second))
	b = append(b, byte(x.updates))
	if b = appendBool(b, x.ended); x.ended {
		b = append(binary.AppendUvarint(b, uint64(-x.end)), byte(x.alert))
	}
	return b
}

func (x *reading) parse(p *parser) {
	x.partial, x.fresh = p.bytes(RecordMost), p.bool()
	p.require(x.fresh || len(x.partial) < RecordMost) // else there would be no room for more
	x.held = p.bytes(RecordMost)
	p.fill(x.message[:])
	x.have = int(p.byte(byte(len(x.message))))
	x.body = int(p.uint(1<<24 - 1))
	x.second = uint32(p.uint(math.MaxUint32))
	x.updates = int(p.byte(updatesMost + 1))
	if x.ended = p.bool(); x.ended {
		x.end = -int(p.uint(-Alerted))
		p.require(x.end != poller.WouldBlock) // it would not be the end
		x.alert = Alert(p.byte(math.MaxUint8))
	}
}

// records has room for one record each.
var records = sync.Pool{New: func() any { return new([RecordMost]byte) }}

// Read reads what the peer has sent into p, which it may use all of. now is a clock of
// seconds.
//
// If p has room for a record ([RecordMost]) that is done in place. What a smaller p has no
// room for is kept for the next time; and a record is read into it a piece at a time, which
// is slow if p is very small.
func (r *Reader) Read(src Source, p []byte, now uint32) Got {
	fresh, have := false, 0
	if b := r.busy; b != nil {
		switch {
		case len(b.held) > 0:
			n := copy(p, b.held)
			if b.held = b.held[n:]; len(b.held) == 0 {
				b.held = nil
			}
			return Got{N: n, More: true}
		case b.ended:
			return Got{N: b.end, Alert: b.alert}
		}
		fresh, have = b.fresh, len(b.partial)
		b.fresh = false
	}
	inPlace := len(p) >= RecordMost
	to := p
	if inPlace {
		r.unread(p)
		to = p[have:]
	} else {
		to = p[:min(len(p), RecordMost-have)]
	}
	in := 0
	if !fresh {
		if in = src.Read(to); in <= 0 {
			return r.nothing(in)
		}
	}
	got := Got{In: in, More: fresh || in == len(to)}
	if inPlace {
		got.N, got.Update = r.open(p[:have+in], have, now)
	} else {
		// Only now: who blocks in src is not to hold on to it.
		b := records.Get().(*[RecordMost]byte)
		r.unread(b[:])
		copy(b[have:], to[:in])
		n := 0
		n, got.Update = r.open(b[:have+in], have, now)
		if got.N = copy(p, b[:n]); got.N < n {
			r.work().held = append([]byte(nil), b[got.N:n]...)
			got.More = true
		}
		records.Put(b)
	}
	switch b := r.busy; {
	case b != nil && b.ended && got.N > 0:
		got.More = true // the end
	case b != nil && b.ended:
		got.N, got.Alert, got.More = b.end, b.alert, false
	case got.N == 0:
		got.N = poller.WouldBlock
	}
	r.settle(now)
	return got
}

// nothing is the outcome when the Source has none to give.
func (r *Reader) nothing(in int) Got {
	if in != poller.WouldBlock {
		if in == 0 {
			in = Truncated
		}
		r.finish(in, 0)
	}
	return Got{N: in}
}

// unread copies the beginning of a record that has come before to the front of b.
func (r *Reader) unread(b []byte) {
	if r.busy != nil {
		copy(b, r.busy.partial)
	}
}

// open opens the whole records in b, of which have bytes were kept before. What they
// held is at the front of b, n bytes; what is left is kept.
func (r *Reader) open(b []byte, have int, now uint32) (n int, update bool) {
	var o *opener
	used := 0
	for !r.ended() && len(b)-used >= headerSize {
		rest := b[used:]
		size := recordSize(rest)
		if rest[0] != typeData {
			r.fail(UnexpectedMessage) // it is not protected, or a change_cipher_spec
			break
		}
		if size > RecordMost {
			r.fail(RecordOverflow)
			break
		}
		if len(rest) < size {
			break
		}
		used += size
		if o == nil {
			o = &opener{aead: r.aead()}
		}
		kind, content, ok := r.unseal(o, rest[:size])
		if !ok {
			break
		}
		if kind != typeHandshake && r.inMessage() {
			r.fail(UnexpectedMessage)
			break
		}
		switch kind {
		case typeData:
			if len(content) == 0 {
				r.uselessRecord()
				break
			}
			r.useless = 0
			n += copy(b[n:], content)
		case typeHandshake:
			if len(content) == 0 {
				r.fail(UnexpectedMessage)
				break
			}
			updated, asked := r.handshake(content, now)
			if updated {
				o = nil
			}
			update = update || asked
		case typeAlert:
			r.alerted(content)
		default:
			r.fail(UnexpectedMessage)
		}
	}
	r.keep(b, used, have)
	return n, update
}

// opener is a cipher while it is used.
type opener struct {
	aead  cipher.AEAD
	nonce [nonceSize]byte
}

// unseal opens one record in place. Its number is used up if it is what the peer sent
// at that place.
func (r *Reader) unseal(o *opener, record []byte) (kind byte, content []byte, ok bool) {
	body := record[headerSize:]
	r.nonce(&o.nonce, r.seq)
	plain, err := o.aead.Open(body[:0], o.nonce[:], body, record[:headerSize])
	if err != nil {
		r.fail(BadRecordMAC)
		return 0, nil, false
	}
	r.seq++
	if len(plain) > plainMost+1 {
		r.fail(RecordOverflow)
		return 0, nil, false
	}
	i := len(plain) - 1
	for i >= 0 && plain[i] == 0 { // padding
		i--
	}
	if i < 0 {
		r.fail(UnexpectedMessage)
		return 0, nil, false
	}
	return plain[i], plain[:i], true
}

// handshake takes a piece of the handshake messages that may come afterwards. It
// reports whether the keys are new, and whether ours are to be.
func (r *Reader) handshake(p []byte, now uint32) (updated, asked bool) {
	b := r.work()
	for len(p) > 0 && !b.ended {
		if b.have < len(b.message) {
			n := copy(b.message[b.have:], p)
			b.have += n
			p = p[n:]
			if b.have == len(b.message) {
				b.body = int(b.message[1])<<16 | int(b.message[2])<<8 | int(b.message[3])
				r.begun(b)
			}
			continue
		}
		if b.message[0] == messageKeyUpdate {
			b.have = 0
			return r.keyUpdate(p, now)
		}
		n := min(b.body, len(p))
		p = p[n:]
		if b.body -= n; b.body == 0 {
			b.have = 0
		}
	}
	return false, false
}

// begun looks at the head of a handshake message.
func (r *Reader) begun(b *reading) {
	switch {
	case b.message[0] == messageKeyUpdate && b.body == 1:
	case b.message[0] == messageKeyUpdate:
		r.fail(DecodeError)
	case b.message[0] == messageTicket && r.client && b.body > 0:
		r.uselessRecord() // nobody here resumes
	default:
		r.fail(UnexpectedMessage)
	}
}

// keyUpdate takes the body of a KeyUpdate, which ends its record: what comes next is
// under the new key.
func (r *Reader) keyUpdate(p []byte, now uint32) (updated, asked bool) {
	b := r.work()
	if b.second != now {
		b.second, b.updates = now, 0
	}
	b.updates++
	switch {
	case p[0] > 1:
		r.fail(IllegalParameter)
	case len(p) > 1 || b.updates > updatesMost:
		r.fail(UnexpectedMessage)
	default:
		r.update()
		return true, p[0] == 1
	}
	return false, false
}

// alerted takes an alert. In TLS 1.3 each is the end, whatever its level, but for one.
func (r *Reader) alerted(p []byte) {
	switch {
	case len(p) == 0:
		r.fail(UnexpectedMessage)
	case len(p) != 2:
		r.fail(DecodeError)
	case Alert(p[1]) == CloseNotify:
		r.finish(0, 0)
	case Alert(p[1]) == UserCanceled:
		r.uselessRecord() // a close_notify should follow
	default:
		r.finish(Alerted, Alert(p[1]))
	}
}

// uselessRecord counts one that brings nothing.
func (r *Reader) uselessRecord() {
	if r.useless++; r.useless > uselessMost {
		r.fail(UnexpectedMessage)
	}
}

func (r *Reader) fail(a Alert) { r.finish(Failed, a) }

// finish is the end of what can be read. The first one counts.
func (r *Reader) finish(n int, a Alert) {
	b := r.work()
	if !b.ended {
		b.ended, b.end, b.alert = true, n, a
		b.partial = nil
	}
}

// Idle reports whether nothing has been read that was not given, and more may come.
func (r *Reader) Idle() bool { return r.busy == nil }

func (r *Reader) ended() bool { return r.busy != nil && r.busy.ended }

// inMessage reports whether a handshake message has begun and has not ended: then
// nothing else may come.
func (r *Reader) inMessage() bool { return r.busy != nil && r.busy.have > 0 }

func (r *Reader) work() *reading {
	if r.busy == nil {
		r.busy = new(reading)
	}
	return r.busy
}

// keep remembers what follows the first used bytes of b, the beginning of a record.
func (r *Reader) keep(b []byte, used, have int) {
	switch {
	case r.ended() || used == len(b):
		if r.busy != nil {
			r.busy.partial = nil
		}
	case used == 0 && have > 0: // grown as the bytes come
		r.busy.partial = append(r.busy.partial, b[have:]...)
	default:
		r.work().partial = append([]byte(nil), b[used:]...)
	}
}

// settle lets go of what a Reader between records need not have.
func (r *Reader) settle(now uint32) {
	b := r.busy
	if b != nil && b.partial == nil && b.held == nil && !b.ended && b.have == 0 && (b.updates == 0 || b.second != now) {
		r.busy = nil
	}
}
