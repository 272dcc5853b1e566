package tls13

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"strings"
	"testing"
	"unsafe"

	"chatd/poller"
)

// unhex reads hexadecimal digits with blanks between them.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 8448 §3: what goes under the keys of application data.
const (
	rfcClientSecret = "9e 40 64 6c e7 9a 7f 9d c0 5a f8 88 9b ce 65 52 87 5a fa 0b 06 df 00 87 f7 92 eb b7 c1 75 04 a5"
	rfcServerSecret = "a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32 82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 16 43"
	rfcTicket       = `17 03 03 00 de 3a 6b 8f 90 41 4a 97 d6 95 9c 34 87 68 0d e5 13 4a 2b 24
		0e 6c ff ac 11 6e 95 d4 1d 6a f8 f6 b5 80 dc f3 d1 1d 63 c7 58 db 28 9a
		01 59 40 25 2f 55 71 3e 06 1d c1 3e 07 88 91 a3 8e fb cf 57 53 ad 8e f1
		70 ad 3c 73 53 d1 6d 9d a7 73 b9 ca 7f 2b 9f a1 b6 c0 d4 a3 d0 3f 75 e0
		9c 30 ba 1e 62 97 2a c4 6f 75 f7 b9 81 be 63 43 9b 29 99 ce 13 06 46 15
		13 98 91 d5 e4 c5 b4 06 f1 6e 3f c1 81 a7 7c a4 75 84 00 25 db 2f 0a 77
		f8 1b 5a b0 5b 94 c0 13 46 75 5f 69 23 2c 86 51 9d 86 cb ee ac 87 aa c3
		47 d1 43 f9 60 5d 64 f6 50 db 4d 02 3e 70 e9 52 ca 49 fe 51 37 12 1c 74
		bc 26 97 68 7e 24 87 46 d6 df 35 30 05 f3 bc e1 86 96 12 9c 81 53 55 6b
		3b 6c 67 79 b3 7b f1 59 85 68 4f`
	rfcClientData = `17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea
		42 f9 14 aa 66 bc ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b
		62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4`
	rfcServerData = `17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc
		32 25 d0 5f 82 aa 1b 36 e3 0e fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8
		fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1 67 c2 95 5d`
	rfcClientClose = "17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3"
	rfcServerClose = "17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9"
)

// rfcData is what both sides send there.
func rfcData() []byte {
	b := make([]byte, 50)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestKeysAreThoseOfTheRFC(t *testing.T) {
	for _, tt := range []struct{ secret, key, iv string }{
		{rfcClientSecret, "17 42 2d da 59 6e d5 d9 ac d8 90 e3 c6 3f 50 51", "5b 78 92 3d ee 08 57 90 33 e5 23 d9"},
		{rfcServerSecret, "9f 02 28 3b 6c 9c 07 ef c2 6b b9 f2 ac 92 e3 56", "cf 78 2b 88 dd 83 54 9a ad f1 e9 84"},
	} {
		var k keys
		k.set(aes128, unhex(t, tt.secret))
		if got := k.material[32:]; !bytes.Equal(got, unhex(t, tt.key)) {
			t.Errorf("key %x, want %s", got, tt.key)
		}
		if !bytes.Equal(k.iv[:], unhex(t, tt.iv)) {
			t.Errorf("iv %x, want %s", k.iv, tt.iv)
		}
	}
}

func TestRecordsAreThoseOfTheRFC(t *testing.T) {
	client, server := unhex(t, rfcClientSecret), unhex(t, rfcServerSecret)
	ticket, serverData := unhex(t, rfcTicket), unhex(t, rfcServerData)

	// The server has written its ticket, then come data and the end.
	s := newSession(aes128, false, client, server)
	written := s.Writer.written(append(unhex(t, "16 03 03 00 01 00 17 03 03 00 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"), ticket...))
	if written != 1 {
		t.Fatalf("%d records were written, want 1", written)
	}
	s.Writer.seq = written
	sent := newLine(-1)
	if n := s.Writer.Send(sent.worker, nil, 0, rfcData()); n != 50 {
		t.Fatal(n)
	}
	s.Writer.End(CloseNotify)
	if r := s.Writer.Flush(sent.worker, nil, 0); r != 0 {
		t.Fatal(r)
	}
	if want := append(serverData, unhex(t, rfcServerClose)...); !bytes.Equal(sent.bytes, want) {
		t.Errorf("sent %x, want %x", sent.bytes, want)
	}

	// It reads what the client sends …
	for _, p := range [][]byte{make([]byte, 64<<10), make([]byte, 100)} {
		s = newSession(aes128, false, client, server)
		in := &chunks{append(unhex(t, rfcClientData), unhex(t, rfcClientClose)...), 1 << 20}
		if got := readAll(&s.Reader, in, p); !bytes.Equal(got.plain, rfcData()) || got.end != 0 {
			t.Errorf("read %x, end %d", got.plain, got.end)
		}
	}
	// … and the client what the server sends.
	s = newSession(aes128, true, server, client)
	in := &chunks{append(ticket, sent.bytes...), 7}
	if got := readAll(&s.Reader, in, make([]byte, 64<<10)); !bytes.Equal(got.plain, rfcData()) || got.end != 0 {
		t.Errorf("read %x, end %d", got.plain, got.end)
	}
}

func TestSuitesAreThoseOfCryptoTLS(t *testing.T) {
	for _, s := range tls.CipherSuites() {
		want := len(s.SupportedVersions) == 1 && s.SupportedVersions[0] == tls.VersionTLS13
		if got := suiteOf(s.ID) != 0; got != want {
			t.Errorf("%s: %v", s.Name, got)
		}
	}
}

func TestSessionIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Session{}); n > 160 {
		t.Errorf("a session has %d bytes, want at most 160", n)
	}
}

func TestSessionIsWiped(t *testing.T) {
	for _, s := range suites {
		session, _ := newPair(s)
		session.Writer.work().plain = []byte("x")
		session.Wipe()
		for _, k := range []keys{session.Reader.keys, session.Writer.keys} {
			if k.material != [secretMost]byte{} || k.iv != [nonceSize]byte{} {
				t.Errorf("suite %d: %x %x is left", s, k.material, k.iv)
			}
		}
		sent := newLine(-1)
		if n := session.Writer.Send(sent.worker, nil, 0, []byte("x")); n != Ended {
			t.Errorf("it sends: %d", n)
		}
		if got := session.Reader.Read(&chunks{}, make([]byte, 10), 0); got.N != Truncated {
			t.Errorf("it reads: %+v", got)
		}
	}
}

func TestKeyLogIsParsed(t *testing.T) {
	random, key := strings.Repeat("ab", 32), strings.Repeat("cd", 48)
	label, r, s, err := parse([]byte("CLIENT_TRAFFIC_SECRET_0 " + random + " " + key + "\n"))
	if err != nil || !bytes.Equal(label, labelClient) || hex.EncodeToString(r[:]) != random || hex.EncodeToString(s.get()) != key {
		t.Errorf("%s %x %x %v", label, r, s.get(), err)
	}
	for _, line := range []string{"", "\n", "a\n", "a b\n", "a " + random + "\n", "a " + random + " cc", "a " + random + " cx\n",
		"a " + random + "0 cc\n", "a " + random[1:] + "x cc\n", "a " + random + " " + key + "00\n", "a " + random + " c\n"} {
		if _, _, s, err := parse([]byte(line)); err == nil || s.size != 0 {
			t.Errorf("%q: %v", line, s.get())
		}
	}
}

var _ Source = (*poller.Conn)(nil)
