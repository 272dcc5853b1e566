package jetstream

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"chatd/room/fuzzcorpus"
)

// What anybody may have published is read without a panic, and published again it is the same.
func FuzzEntry(f *testing.F) {
	fuzzcorpus.Add(f)
	f.Add("Nats-Sequence: 7\r\nNats-Last-Sequence: 5\r\nNats-Time-Stamp: 2026-01-02T03:04:05.006Z\r\nChat-Id: a\r\nChat-Name: %C3%A9ve\r\nChat-Nonce: n%0A\r\n", []byte("hello"))
	f.Add("Nats-Sequence: 1\r\nNats-Sequence: 18446744073709551615\r\nNats-Time-Stamp: 0001-01-01T00:00:00Z\r\nChat-Binary: 1\r\nChat-Name: %\r\n", []byte{0xff})
	f.Fuzz(func(t *testing.T, headers string, payload []byte) {
		h, err := nats.DecodeHeadersMsg([]byte("NATS/1.0\r\n" + headers + "\r\n"))
		if err != nil {
			return
		}
		e, ok := parseEntry(&nats.Msg{Header: h, Data: payload})
		if !ok {
			return
		}
		if e.Seq == 0 || !bytes.Equal(e.Payload, payload) || len(e.ID) > maxID {
			t.Fatalf("%+v", e)
		}
		again := newMsg("c.0.a", e.id, e.Message)
		again.Header[headerSequence] = []string{strconv.FormatUint(e.Seq, 10)}
		again.Header[headerBefore] = []string{strconv.FormatUint(e.before, 10)}
		again.Header[headerTime] = []string{time.UnixMilli(e.At).UTC().Format(time.RFC3339Nano)}
		if other, ok := parseEntry(again); !ok || !reflect.DeepEqual(other, e) {
			t.Fatalf("%+v became %+v, %v", e, other, ok)
		}
	})
}

// What a node tells is kept only if it can be, and counts are never less than none.
func FuzzBeat(f *testing.F) {
	fuzzcorpus.Add(f)
	f.Add([]byte(`{"node":"b","number":1,"all":true,"rooms":{"lobby":3,"x":-1},"server":"S"}`), []byte(`{"node":"b","number":2,"more":true,"rooms":{"lobby":9223372036854775807}}`))
	f.Add([]byte(`{"node":"b","rooms":null}`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := newCounts(&Source{node: "a"})
		c.begin(func(string) {})
		now := time.Unix(1e9, 0)
		for _, body := range [][]byte{first, second} {
			var b beat
			if json.Unmarshal(body, &b) != nil {
				continue
			}
			changed, _ := c.hear(b, now)
			c.report(changed)
			for room := range b.Rooms {
				if n := c.sum[room]; n < 0 {
					t.Fatalf("%d members in %q", n, room)
				}
			}
		}
		c.report(c.expire(now.Add(time.Hour)))
		if len(c.nodes) > 0 || len(c.sum) > 0 {
			t.Fatalf("%d nodes are left, %v", len(c.nodes), c.sum)
		}
	})
}
