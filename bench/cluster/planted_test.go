package cluster

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/room/order/natsproxy"
	"chatd/room/order/natstest"
)

// copiesAre has that become of all copies to nodes, from the beginning to behind the end.
func copiesAre(nodes []int, fates ...natsproxy.Fate) *Schedule {
	const length = 4 * time.Second
	return &Schedule{Duration: length, Lanes: [][]Fault{{{Kind: Copies, Start: time.Second, Length: length, Targets: nodes, Share: 1, Fates: fates}}}}
}

// setBack has NATS be set back to what it was when leaders had been elected and messages been
// said since.
func setBack() *Schedule {
	return &Schedule{Duration: 40 * time.Second, Lanes: [][]Fault{{{Kind: Restore, Start: 3 * time.Second, Length: 15 * time.Second}}}}
}

// calmly does no harm.
func calmly(length time.Duration) *Schedule { return &Schedule{Duration: length} }

// planted are faults that a run has to find, of the package jetstream, and what finds them.
var planted = []struct {
	name, file, right, wrong string
	schedule                 *Schedule
	rooms                    int
	rate                     float64
	found                    string // a part of what is found
}{
	{
		"a message that is delivered before its copy", "source.go",
		"	s.publisher.publish(name, tag, m)\n",
		`	s.publisher.publish(name, tag, m)
	id := fmt.Sprint(s.node, ".", s.published.Load())
	p := s.partitionFor(name)
	p.dispatcher.mail.put(func() {
		if r := p.dispatcher.rooms[p.number][toToken.Replace(name)]; r != nil && r.room != nil && r.state == live {
			m.Seq, m.At = r.last.Seq+1, time.Now().UnixMilli()
			p.dispatcher.place(r, entry{Message: m, id: id})
		}
	})
`,
		calmly(3 * time.Second), 6, 60, "under one number",
	},
	{
		"a copy that is not known to be one", "receive.go",
		"	case e.Seq <= m.last.Seq:\n", "	case false:\n",
		copiesAre([]int{0, 1, 2}, natsproxy.Drop, natsproxy.Double, natsproxy.Late), 6, 60, "behind",
	},
	{
		"a last message that nobody looks for", "tail.go",
		"	known, fresh, ok := p.tokens(ctx)\n", "	known, fresh, ok := p.tokens(ctx)\n	ok = false\n",
		// Few messages in many rooms: what comes later has a node look for what was before.
		copiesAre([]int{0}, natsproxy.Drop), 24, 8, "has heard all up to",
	},
	{
		"a stream that is taken for the one that it was by when it was created", "subject.go",
		"	binary.BigEndian.PutUint64(b[8:], l.generation)\n", "",
		setBack(), 6, 60, "in room",
	},
}

// TestPlantedFaultsAreFound takes minutes: make cluster-planted.
func TestPlantedFaultsAreFound(t *testing.T) {
	if os.Getenv("CHATD_PLANTED") == "" {
		t.Skip("CHATD_PLANTED is not set")
	}
	const of = "../../room/order/jetstream"
	for _, fault := range planted {
		t.Run(fault.name, func(t *testing.T) {
			original, err := filepath.Abs(filepath.Join(of, fault.file))
			if err != nil {
				t.Fatal(err)
			}
			source, err := os.ReadFile(original)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), fault.right); n != 1 {
				t.Fatalf("the code to be spoiled is there %d times", n)
			}
			dir := t.TempDir()
			spoiled, overlay := filepath.Join(dir, fault.file), filepath.Join(dir, "overlay.json")
			replace, err := json.Marshal(map[string]map[string]string{"Replace": {original: spoiled}})
			if err != nil {
				t.Fatal(err)
			}
			for path, content := range map[string]string{
				spoiled: strings.Replace(string(source), fault.right, fault.wrong, 1),
				overlay: string(replace),
			} {
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r := suffer(t, build(t, "-overlay", overlay), Options{Schedule: fault.schedule, Rooms: fault.rooms, Rate: fault.rate, Patience: 20 * time.Second})
			for _, v := range r.Violations {
				if strings.Contains(v.What, fault.found) {
					return
				}
			}
			t.Errorf("not found: %d violations, none with %q", len(r.Violations), fault.found)
		})
	}
}

// TestNothingIsFoundWhereNothingIsPlanted has the same done to a chatd as it is.
func TestNothingIsFoundWhereNothingIsPlanted(t *testing.T) {
	if os.Getenv("CHATD_PLANTED") == "" {
		t.Skip("CHATD_PLANTED is not set")
	}
	chatd := build(t)
	for _, fault := range planted {
		t.Run(fault.name, func(t *testing.T) {
			r := suffer(t, chatd, Options{Schedule: fault.schedule, Rooms: fault.rooms, Rate: fault.rate, Patience: time.Minute})
			for _, v := range r.Violations {
				t.Error(v.What)
			}
		})
	}
}

// build builds chatd.
func build(t *testing.T, args ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "chatd")
	if out, err := exec.Command("go", append(append([]string{"build", "-o", path}, args...), "chatd/cmd/chatd")...).CombinedOutput(); err != nil {
		t.Fatalf("build chatd: %v\n%s", err, out)
	}
	return path
}

// suffer does what the schedule says to a cluster of that chatd.
func suffer(t *testing.T, chatd string, o Options) *Report {
	t.Helper()
	o.Cluster = Config{
		Chatd: chatd, Flags: []string{"-nats-partitions", "4", "-history", "5000", "-history-age", "0"},
		NATS: natstest.Binary(t), Nodes: 3, Servers: 3, Proxied: true, Dir: t.TempDir(),
	}
	o.Clients, o.Publishers, o.Progress = 24, 2, func(string, int, int) {}
	r, err := Run(t.Context(), o)
	var text strings.Builder
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", &text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
