package main

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// readFields reads a file of lines like "MemFree:   12 kB" and returns bytes,
// or plain numbers, by name.
func readFields(path string) (map[string]int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]int64)
	for line := range bytes.Lines(b) {
		name, rest, ok := strings.Cut(string(line), ":")
		words := strings.Fields(rest)
		if !ok || len(words) == 0 {
			continue
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil {
			continue
		}
		if len(words) > 1 && words[1] == "kB" {
			n <<= 10
		}
		fields[name] = n
	}
	return fields, nil
}

// Sockets is what the kernel says of its TCP sockets.
type Sockets struct {
	InUse int   `json:"in_use"` // both ends
	Bytes int64 `json:"buffer_bytes"`
}

func countSockets() (s Sockets, err error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return s, err
	}
	stat, err := fs.NetSockstat()
	if err != nil {
		return s, err
	}
	for _, p := range stat.Protocols {
		if p.Protocol == "TCP" && p.Mem != nil {
			return Sockets{InUse: p.InUse, Bytes: int64(*p.Mem) * int64(os.Getpagesize())}, nil
		}
	}
	return s, errors.New("the kernel does not count its TCP sockets")
}

// Slab is what the kernel holds of one kind of object.
type Slab struct {
	Name    string `json:"name"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
}

// parseSlabs reads /proc/slabinfo and returns the largest.
func parseSlabs(b []byte, most int) (slabs []Slab) {
	for line := range bytes.Lines(b) {
		// name active total size perslab pagesperslab : … : slabdata active slabs shared
		var s Slab
		var total, size, perSlab, pages, activeSlabs, n, shared int64
		var limit, batch, factor int64
		_, err := fmt.Sscanf(string(line), "%s %d %d %d %d %d : tunables %d %d %d : slabdata %d %d %d",
			&s.Name, &s.Objects, &total, &size, &perSlab, &pages, &limit, &batch, &factor, &activeSlabs, &n, &shared)
		if err == nil {
			s.Bytes = n * pages * int64(os.Getpagesize())
			slabs = append(slabs, s)
		}
	}
	slices.SortFunc(slabs, func(a, b Slab) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return slabs[:min(len(slabs), most)]
}

// GC is what the server's collector did, by its own trace.
type GC struct {
	Cycles  int     `json:"cycles"`
	Stopped float64 `json:"stopped_ms"`    // for how long nothing else ran, all cycles together
	Longest float64 `json:"longest_ms"`    // of these pauses
	Percent int     `json:"percent"`       // of the process's time since its start
	Live    int64   `json:"live_bytes"`    // after the last cycle
	Peak    int64   `json:"at_most_bytes"` // of the heap, at the end of a cycle
}

var gcLine = regexp.MustCompile(`^gc (\d+) @[\d.]+s (\d+)%: ([\d.]+)\+[\d.]+\+([\d.]+) ms clock, .* (\d+)->(\d+)->(\d+) MB`)

// parseGC reads the lines of GODEBUG=gctrace=1 in a log.
func parseGC(log []byte) (gc GC) {
	for lines := bufio.NewScanner(bytes.NewReader(log)); lines.Scan(); {
		m := gcLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		number := func(i int) float64 {
			v, _ := strconv.ParseFloat(m[i], 64) // the expression matches nothing else
			return v
		}
		gc.Cycles, gc.Percent = int(number(1)), int(number(2))
		gc.Stopped += number(3) + number(4)
		gc.Longest = max(gc.Longest, number(3), number(4))
		gc.Peak = max(gc.Peak, int64(number(6))<<20)
		gc.Live = int64(number(7)) << 20
	}
	return gc
}
