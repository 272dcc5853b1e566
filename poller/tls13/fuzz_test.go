package tls13

import (
	"bytes"
	"encoding/binary"
	"testing"

	"chatd/poller"
	"chatd/room/fuzzcorpus"
)

// FuzzReader reads a stream of records of any kind and content, and of what is no
// record, in pieces of any size into room of any size: however it is cut, the same
// comes of it, and nothing but what was in the data records.
func FuzzReader(f *testing.F) {
	fuzzcorpus.Add(f)
	// A script: the kind of a record, its length, its content; kind 0 is bytes as they
	// are, 1 a record that is changed in one bit.
	f.Add([]byte("\x17\x05hello\x17\x00\x16\x05\x18\x00\x00\x01\x01\x17\x01a\x15\x02\x01\x00"), uint8(0), uint16(3), uint16(100))
	f.Add([]byte("\x16\x01\x18\x16\x04\x00\x00\x01\x00\x17\x01a\x00\x06\x14\x03\x03\x00\x01\x01"), uint8(1), uint16(1), uint16(1))
	f.Add([]byte("\x16\x07\x04\x00\x00\x05abc\x16\x02de\x17\x01a\x15\x02\x02\x2a"), uint8(2), uint16(1000), uint16(20000))
	f.Add([]byte("\x17\x01a\x01\x01b\x17\x01c"), uint8(3), uint16(7), uint16(65535))
	f.Fuzz(func(t *testing.T, script []byte, kind uint8, most, size uint16) {
		server, client := newPair(suites[int(kind)%len(suites)])
		w, r := &client.Writer, server.Reader
		if kind >= 128 {
			w, r = &server.Writer, client.Reader
		}
		var stream, data []byte
		for len(script) >= 2 {
			kind, n := script[0], min(int(script[1]), len(script)-2)
			content := script[2 : 2+n]
			script = script[2+n:]
			w.cipher(nil)
			switch kind {
			case 0:
				stream = append(stream, content...)
			case 1:
				b := record(w, typeData, content)
				b[len(b)-1-len(content)%10] ^= 1
				stream = append(stream, b...)
			default:
				stream = append(stream, record(w, kind, content)...)
				if kind == typeData {
					data = append(data, content...)
				}
				if kind == typeHandshake && bytes.HasSuffix(content, keyUpdate[4:]) {
					w.update() // or so: where it is wrong, all must still agree
					w.busy.aead = nil
				}
			}
		}
		whole := r
		want := readAll(&whole, &chunks{stream, len(stream) + 1}, make([]byte, bigP))
		parts := r
		got := readAll(&parts, &chunks{stream, int(most) + 1}, make([]byte, int(size)+1))
		if !bytes.Equal(got.plain, want.plain) || got.end != want.end || got.alert != want.alert || got.updates > want.updates*10 {
			t.Fatalf("%q, end %d %v; at once %q, end %d %v", got.plain, got.end, got.alert, want.plain, want.end, want.alert)
		}
		if !bytes.HasPrefix(data, got.plain) {
			t.Fatalf("%q was sent, %q was read", data, got.plain)
		}
		if n := got.reads; n > 4*(len(stream)+2) {
			t.Fatalf("%d reads for %d bytes", n, len(stream))
		}
		if got.end == poller.WouldBlock || got.end > 0 {
			t.Fatalf("end %d", got.end)
		}
	})
}

// FuzzHandshake feeds a handshake with anything, in pieces: it ends with a reason, and
// has answered with nothing but records.
func FuzzHandshake(f *testing.F) {
	fuzzcorpus.Add(f)
	hello := clientHello(f, clientConfig())
	f.Add(hello, uint16(0))
	f.Add(rerecord(hello, 30), uint16(17))
	f.Add(append(bytes.Clone(hello), 20, 3, 3, 0, 1, 1), uint16(5))
	f.Add(append(bytes.Clone(hello), bytes.Repeat([]byte{20, 3, 3, 0, 1, 1}, 20)...), uint16(5))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(3))
	f.Add([]byte{21, 3, 3, 0, 2, 1, 0}, uint16(1))
	a := NewAcceptor(serverConfig())
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		m := newMemory()
		h := a.begin(m)
		for len(b) > 0 {
			n := min(len(b), int(cut)+1)
			m.feed(h, b[:n])
			b = b[n:]
		}
		r := m.end(t, h)
		if r.Session != nil || r.Err == nil || r.Reason == None || r.Reason == Panicked {
			t.Fatalf("%v: %v", r.Reason, r.Err)
		}
		for sent := m.sent; len(sent) > 0; {
			if len(sent) < headerSize || sent[1] != 3 || len(sent) < headerSize+int(binary.BigEndian.Uint16(sent[3:])) {
				t.Fatalf("it sends %x", sent)
			}
			sent = sent[recordSize(sent):]
		}
		if a.Handshakes() != 0 {
			t.Fatal("it is still under way")
		}
	})
}
