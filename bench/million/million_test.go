package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"chatd/bench/result"
)

func TestLargestSlabsAreReadInOrder(t *testing.T) {
	const info = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
small                 30     32     64   64    1 : tunables    0    0    0 : slabdata      1      1      0
TCP                  100    112   2240   14    8 : tunables    0    0    0 : slabdata      8      8      0
medium                10     16   1024   16    4 : tunables    0    0    0 : slabdata      1      1      0
`
	slabs := parseSlabs([]byte(info), 2)
	page := int64(os.Getpagesize())
	if len(slabs) != 2 || slabs[0] != (Slab{"TCP", 100, 64 * page}) || slabs[1] != (Slab{"medium", 10, 4 * page}) {
		t.Fatalf("%+v", slabs)
	}
}

func TestCollectorsTraceIsSummedUp(t *testing.T) {
	const log = `time=2026-11-23T10:00:00Z level=INFO msg=listening
gc 1 @1.403s 0%: 0.041+0.44+0.009 ms clock, 0.083+0/0.14/0.47+0.018 ms cpu, 1->2->1 MB, 2 MB goal, 0 MB stacks, 0 MB globals, 2 P
gc 2 @9.001s 3%: 1.5+0.34+0.5 ms clock, 3.9+0/0.45/0+0.006 ms cpu, 90->95->60 MB, 91 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)
`
	got := parseGC([]byte(log))
	if got.Cycles != 2 || got.Percent != 3 || got.Live != 60<<20 || got.Peak != 95<<20 || got.Longest != 1.5 {
		t.Fatalf("%+v", got)
	}
	if d := got.Stopped - 2.05; d < -1e-9 || d > 1e-9 {
		t.Fatalf("stopped for %g ms, want 2.05", got.Stopped)
	}
	if parseGC(nil) != (GC{}) {
		t.Fatal("an empty log is not nothing")
	}
}

func TestVerdictIsGoodOnlyIfAllWereHeldAndHeard(t *testing.T) {
	good := Report{Clients: 10, Held: 10, Upgrade: &Upgrade{Carried: 10}, Delivered: 10}
	if err := good.verdict(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Report){
		"not all held":    func(r *Report) { r.Held = 9 },
		"not all carried": func(r *Report) { r.Upgrade = &Upgrade{Carried: 9} },
		"not all heard":   func(r *Report) { r.Delivered = 9 },
		"repeated":        func(r *Report) { r.Faults = result.Faults{Duplicated: 1} },
	} {
		bad := good
		change(&bad)
		if bad.verdict() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What is committed is of a whole run, and says what the README says.
func TestCommittedReportIsOfAMillion(t *testing.T) {
	b, err := os.ReadFile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if err := r.verdict(); err != nil || r.Clients != 1_000_000 {
		t.Fatalf("%d clients, %v", r.Clients, err)
	}
	text, err := os.ReadFile("REPORT.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != r.markdown() {
		t.Error("REPORT.md is not what report.json says")
	}
	if !strings.Contains(string(text), "1,000,000 of 1,000,000 delivered") {
		t.Errorf("REPORT.md:\n%s", text)
	}
}

func TestEveryClientsMessageIsCounted(t *testing.T) {
	payload := make([]byte, 16)
	for i := range payload {
		payload[i] = byte(i)
	}
	frame := ws.MustCompileFrame(ws.NewBinaryFrame(payload))
	damaged := bytes.Clone(frame)
	damaged[len(damaged)-1]++
	var c crowd // without patience: what is not there is lost
	for _, gets := range [][]byte{frame, frame, damaged, nil, {}} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.fds = append(c.fds, int32(pair[0]))
		switch {
		case gets == nil: // hears nothing
			t.Cleanup(func() { unix.Close(pair[1]) })
		case len(gets) == 0: // is hung up on
			unix.Close(pair[1])
		default:
			t.Cleanup(func() { unix.Close(pair[1]) })
			if err := send(int32(pair[1]), gets); err != nil {
				t.Fatal(err)
			}
		}
		if len(c.fds) == 2 {
			if err := send(int32(pair[1]), frame); err != nil { // hears it twice in one piece
				t.Fatal(err)
			}
		}
	}
	o, err := c.broadcast(len(payload), func(uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	want := result.Faults{Lost: 1, Corrupt: 2, Disconnected: 1}
	if o.delivered != 1 || o.faults != want {
		t.Errorf("delivered %d, %+v, want 1, %+v", o.delivered, o.faults, want)
	}
	if repeated := c.close(func(int) {}); repeated != 0 {
		t.Errorf("%d repeated", repeated)
	}
}

func TestNumberThatFitsIsRound(t *testing.T) {
	var h host
	for _, n := range []int64{0, 2 << 30, 13 << 30} {
		if got := h.fitting(n); got < 10_000 || got%10_000 != 0 {
			t.Errorf("%d bytes: %d", n, got)
		}
	}
}
