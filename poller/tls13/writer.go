package tls13

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"math"

	"golang.org/x/sys/unix"

	"chatd/poller"
)

const (
	// updateAt is the number of a record before which our keys are changed: AES-GCM is
	// good for 2^24.5 records under one key (RFC 8446 §5.5).
	updateAt = 1<<24 - 16

	// Ended is the result of a send behind the alert that ended the stream.
	Ended = -int(unix.EPIPE)
	// Changed is the result of a send whose half-sent record is not any more what it
	// was: somebody has changed bytes that the Writer was given. The stream is over, for
	// what was sealed under its number must not be sealed again with others.
	Changed = -int(unix.EBADMSG)
)

// What a Writer owes, behind what is half sent and before any more data.
const (
	owesUpdate uint8 = 1 << iota // new keys
	owesAlert                    // an alert, and then the end
	ended                        // nothing any more
)

// keyUpdate is the message that tells of new keys, and asks for none.
var keyUpdate = []byte{messageKeyUpdate, 0, 0, 1, 0}

// Writer is the direction to the peer. It belongs to who writes to the socket.
//
// The number of a record is used up when the socket has taken all of it. If it has
// taken a part, the Writer knows the plaintext and how many bytes of the record have
// gone; to go on it seals the same again, and sends the rest. What was sealed and not
// taken at all has never been.
type Writer struct {
	keys
	busy *writing // nil while it idles
}

// writing is what a Writer has that does not idle.
type writing struct {
	aead  cipher.AEAD // nil: to be built
	nonce [nonceSize]byte
	used  bool // since Ciphers.Tick
	place int  // among Ciphers, from 1 on; 0: it is not there

	// The record that is half sent.
	sent  int // bytes of it, 0: none is
	kind  byte
	plain []byte
	tag   [tagSize]byte // that it has; with another it is not the same record

	alert Alert // that is owed
}

func (w *Writer) append(b []byte) []byte {
	b = w.keys.append(b)
	sending := w.busy != nil && w.busy.sent > 0
	if b = appendBool(b, sending); sending {
		b = w.busy.appendRecord(b)
	}
	if w.owes&owesAlert != 0 {
		b = append(b, byte(w.busy.alert))
	}
	return b
}

func (w *Writer) parse(p *parser) {
	w.keys.parse(p)
	p.require(w.seq <= updateAt+1) // an alert may come behind the last record under the keys
	if p.bool() {
		w.work().parseRecord(p)
		kind := w.busy.kind
		p.require(w.owes&ended == 0 &&
			(kind != typeHandshake || w.owes&owesUpdate != 0) && (kind != typeAlert || w.owes&owesAlert != 0))
	}
	if w.owes&owesAlert != 0 {
		w.work().alert = Alert(p.byte(math.MaxUint8))
	}
}

// appendRecord appends what there is to know of the record that is half sent.
func (x *writing) appendRecord(b []byte) []byte {
	b = appendBytes(append(b, x.kind), x.plain)
	return append(binary.AppendUvarint(b, uint64(x.sent)), x.tag[:]...)
}

func (x *writing) parseRecord(p *parser) {
	x.kind = p.byte(typeData)
	x.plain = p.bytes(plainMost)
	switch x.kind {
	case typeData:
	case typeHandshake:
		p.require(bytes.Equal(x.plain, keyUpdate))
	default:
		p.require(x.kind == typeAlert && len(x.plain) == 2)
	}
	x.sent = int(p.uint(uint64(overhead + len(x.plain) - 1)))
	p.require(x.sent > 0)
	p.fill(x.tag[:])
}

// Ciphers are those of Writers that are busy. They are built when needed, and let go
// of when they were not for a while. They belong to the owner of the Writers.
type Ciphers struct {
	// Most is how many bytes are put into a record, 0: as many as may be.
	Most int
	kept []*Writer
}

// Tick lets go of the ciphers that were not used since the last Tick: call it once a
// second or so.
func (c *Ciphers) Tick() {
	left := c.kept[:0]
	for _, w := range c.kept {
		if b := w.busy; b.used {
			b.used = false
			left = append(left, w)
			b.place = len(left)
		} else {
			b.aead, b.place = nil, 0
			w.settle()
		}
	}
	clear(c.kept[len(left):])
	if c.kept = left; len(left) == 0 {
		c.kept = nil
	}
}

// Drop lets go of that of w, which gets another owner or is wiped.
func (c *Ciphers) Drop(w *Writer) {
	b := w.busy
	if b == nil || b.place == 0 {
		return
	}
	last := len(c.kept) - 1
	c.kept[b.place-1] = c.kept[last]
	c.kept[b.place-1].busy.place = b.place
	c.kept[last] = nil
	c.kept = c.kept[:last]
	b.aead, b.place = nil, 0
	w.settle()
}

// most is how many bytes are put into a record.
func (c *Ciphers) most() int {
	if c == nil || c.Most == 0 {
		return plainMost
	}
	return c.Most
}

// Len is the number of ciphers.
func (c *Ciphers) Len() int { return len(c.kept) }

// cipher is w's, for now. Without Ciphers w keeps it, until rest.
func (w *Writer) cipher(c *Ciphers) *writing {
	b := w.work()
	if b.aead == nil {
		b.aead = w.aead()
	}
	if b.used = true; c != nil && b.place == 0 {
		c.kept = append(c.kept, w)
		b.place = len(c.kept)
	}
	return b
}

func (w *Writer) work() *writing {
	if w.busy == nil {
		w.busy = new(writing)
	}
	return w.busy
}

// rest lets go of a cipher that no Ciphers will.
func (w *Writer) rest(c *Ciphers) {
	if b := w.busy; c == nil && b != nil && b.place == 0 {
		b.aead = nil
		w.settle()
	}
}

// settle lets go of what a Writer that idles need not have.
func (w *Writer) settle() {
	if b := w.busy; b != nil && b.aead == nil && b.sent == 0 && w.owes&owesAlert == 0 {
		w.busy = nil
	}
}

// Send writes p to the socket fd. The result is the number of bytes that were taken,
// [poller.WouldBlock] if none were, or another negative errno. The last of them may be
// in a record of which the socket has only a part; then the Writer is Pending, and p
// has to stay as it is until it is not any more. The caller goes on behind what was
// taken, and is not caught up while the Writer is Pending.
//
// It seals in the scratch of the worker that it runs on, where p must not be. Without c
// the cipher is built for this call alone.
func (w *Writer) Send(on *poller.Worker, c *Ciphers, fd int32, p []byte) int {
	n := w.send(on, c, fd, p)
	w.rest(c)
	return n
}

func (w *Writer) send(on *poller.Worker, c *Ciphers, fd int32, p []byte) int {
	most := c.most()
	for taken := 0; ; {
		if r := w.flush(on, c, fd); r < 0 || len(p) == 0 {
			return result(taken, r)
		}
		if w.owes&ended != 0 {
			return result(taken, Ended)
		}
		if w.seq >= updateAt {
			w.owes |= owesUpdate
			continue
		}
		b := w.cipher(c)
		size := w.fill(b, on.Scratch, p[taken:], most)
		sent := on.Send(fd, on.Scratch[:size])
		if sent < 0 {
			return result(taken, sent)
		}
		taken += w.took(b, on.Scratch[:size], sent, p[taken:])
		if sent < size || taken == len(p) {
			return taken
		}
	}
}

// fill seals the records that come next, of at most most bytes of p each, as many as to
// has room for, and returns their size.
func (w *Writer) fill(b *writing, to, p []byte, most int) (size int) {
	for seq := w.seq; len(p) > 0 && len(to)-size > overhead && seq < updateAt; seq++ {
		n := min(len(p), most, len(to)-size-overhead)
		size += w.seal(b, to[size:], typeData, seq, p[:n])
		p = p[n:]
	}
	return size
}

// result is that of a send: what went wrong behind what was taken comes again.
func result(taken, r int) int {
	if taken > 0 {
		return taken
	}
	return r
}

// took notes that the socket took sent bytes of the records, whose plaintext p begins
// with, and returns how much of that it is.
func (w *Writer) took(b *writing, records []byte, sent int, p []byte) (taken int) {
	for sent > 0 {
		size := recordSize(records)
		n := size - overhead
		if sent < size {
			w.half(b, typeData, records[:size], sent, p[taken:taken+n])
			return taken + n
		}
		w.seq++
		taken += n
		sent -= size
		records = records[size:]
	}
	return taken
}

// half notes that sent bytes of a record have gone.
func (w *Writer) half(b *writing, kind byte, record []byte, sent int, plain []byte) {
	b.kind, b.sent, b.plain = kind, sent, plain
	b.tag = [tagSize]byte(record[len(record)-tagSize:])
}

// Flush sends what is half sent, and what is owed. The result is 0 when that is done,
// [poller.WouldBlock] when the socket takes no more, or another negative errno.
func (w *Writer) Flush(on *poller.Worker, c *Ciphers, fd int32) int {
	r := w.flush(on, c, fd)
	w.rest(c)
	return r
}

func (w *Writer) flush(on *poller.Worker, c *Ciphers, fd int32) int {
	for w.Pending() {
		b := w.cipher(c)
		if b.sent == 0 {
			kind, message := byte(typeHandshake), keyUpdate
			if w.owes&owesUpdate == 0 {
				kind, message = typeAlert, b.alert.message()
			}
			size := w.seal(b, on.Scratch, kind, w.seq, message)
			sent := on.Send(fd, on.Scratch[:size])
			if sent < 0 {
				return sent
			}
			w.half(b, kind, on.Scratch[:size], sent, message)
			if sent < size { // that it is full the socket says itself: who is told waits
				continue
			}
		} else {
			size := w.seal(b, on.Scratch, b.kind, w.seq, b.plain)
			if !bytes.Equal(on.Scratch[size-tagSize:size], b.tag[:]) {
				w.owes, b.sent, b.plain = ended, 0, nil
				return Changed
			}
			sent := on.Send(fd, on.Scratch[b.sent:size])
			if sent < 0 {
				return sent
			}
			if b.sent += sent; b.sent < size {
				continue
			}
		}
		w.whole(b)
	}
	return 0
}

// whole notes that all of a record has gone that was half sent.
func (w *Writer) whole(b *writing) {
	kind := b.kind
	b.sent, b.plain = 0, nil
	w.wrote(b, kind)
}

// wrote notes that a record has gone.
func (w *Writer) wrote(b *writing, kind byte) {
	w.seq++
	switch kind {
	case typeHandshake:
		w.owes &^= owesUpdate
		w.update()
		b.aead = nil
	case typeAlert:
		w.owes = ended
	}
}

// Pending reports whether there is anything for Flush to send. Then the Writer waits
// for the socket, or was not asked to since.
func (w *Writer) Pending() bool {
	return w.busy != nil && w.busy.sent > 0 || w.owes&(owesUpdate|owesAlert) != 0
}

// Update has the keys changed before any more data: for a peer that wants it. It goes
// with the next Send or Flush.
func (w *Writer) Update() {
	if w.owes&ended == 0 {
		w.owes |= owesUpdate
	}
}

// End ends the stream with an alert, behind what is half sent: with CloseNotify if all
// is well. It goes with the next Flush; there is no more data.
func (w *Writer) End(a Alert) {
	if w.owes&(owesAlert|ended) == 0 {
		w.work().alert = a
		w.owes |= owesAlert
	}
}

// seal puts a record of the content p into to, under the number seq, and returns its
// size. The same gives the same.
func (w *Writer) seal(b *writing, to []byte, kind byte, seq uint64, p []byte) int {
	size := overhead + len(p)
	to = to[:size]
	putHeader(to, size)
	inner := to[headerSize : size-tagSize]
	inner[copy(inner, p)] = kind
	w.nonce(&b.nonce, seq)
	b.aead.Seal(inner[:0], b.nonce[:], inner, to[:headerSize])
	return size
}
