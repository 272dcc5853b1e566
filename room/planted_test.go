package room

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// planted are faults that the model test has to find.
var planted = []struct{ name, file, right, wrong string }{
	{
		"a roster that is forgotten when its room dies", "shard.go",
		"		s.rosterCount.Add(-1)\n		s.remove(r)\n",
		"		s.rosterCount.Add(-1)\n",
	},
	{
		"a join that overtakes a leave", "change.go",
		"	c.status.Or(statusChanging)\n	p := newPost(false)\n",
		"	p := newPost(false)\n",
	},
	{
		"a room that dies while a join is on its way", "directory.go",
		"h.sent == h.taken.Load() && ", "",
	},
	{
		"a frame that is split between two rooms", "outbox.go",
		"		if o.part == 0 {\n			o.turn = (o.turn + 1) % len(o.readers)\n		}\n",
		"		o.turn = (o.turn + 1) % len(o.readers)\n",
	},
	{
		"a queue that is a message longer", "shard.go",
		"if n := o.waiting(at, r.pos.Seq); n > queue {", "if n := o.waiting(at, r.pos.Seq); n > queue+1 {",
	},
	{
		"a message that is said again, and overtakes others", "reply.go",
		"		if !s.expects(c, r) {\n			o.add(r.bytes)\n		}\n", "		o.add(r.bytes)\n",
	},
	{
		"a member that keeps its place in a room that it left", "membership.go",
		"	s.exit(c, r)\n	r.left(w)\n", "	r.left(w)\n",
	},
	{
		"a history that is told to go back one message further", "place.go",
		"case p.Seq < h.seq(floor):", "case p.Seq+1 < h.seq(floor):",
	},
	{
		"a message that comes twice where history ends and what is new begins", "join.go",
		"if ch.place.begin.Seq > r.pos.Seq {", "if false {",
	},
	{
		"a number of members that counts as a message", "pass.go",
		"framelog.Piece{Start: end, Bytes: news.frame}", "framelog.Piece{Start: end, Bytes: news.frame, Frames: 1}",
	},
	{
		"a newcomer whose history counts as its queue", "outbox.go",
		"return max(r.at.Seq, r.head)", "return r.at.Seq",
	},
	{
		"a message that is said again though its nonce was there", "history.go",
		"	return seq, r.nonce == s.nonce && r.author.id() == s.author.id()\n", "	return seq, r.nonce == s.nonce && r.author == s.author && seq%2 == 0\n",
	},
	{
		"a token that never expires for one that is behind", "grant.go",
		"		if o := s.lagging[i]; !o.left {\n			s.checkToken(w, o.c, now)\n		}\n", "",
	},
	{
		"a removal that misses those that are behind", "remove.go",
		"if !o.left && o.reading(of) >= 0 && x.means(o.c) {", "if false {",
	},
	{
		"a room that stays though only somebody outside was there", "hub.go",
		"		h.vacate(w) // nobody may ever have been here\n", "",
	},
	{
		"a message that is told before its copy has come", "ordered_publish.go",
		"	tag := o.window.add(out)\n",
		"	tag := o.window.add(out)\n	o.say(w, 0, &order.Message{ID: m.ID, Name: m.Name, Binary: m.Binary, Payload: m.Payload, Seq: o.top + 1, At: h.server.clock()}, false)\n",
	},
	{
		"a copy that comes twice and is not looked for", "ordered_place.go",
		"	if s.author != nil && s.nonce != \"\" {\n", "	if false {\n",
	},
	{
		"a member that is taken for caught up with a part of a record", "pass.go",
		"n != len(piece.Bytes) || r.unsentAt(p.next+i)", "n != len(piece.Bytes)",
	},
	{
		"a gap that is not told", "ordered_place.go",
		"	o.tellGap(w, chat.Gap{From: o.hub.seq(o.hub.log.Head().Seq) + 1, To: upTo.Seq, Why: chat.History}, upTo.At)\n", "",
	},
	{
		"a frame that is half written, and begins again in the next program", "carry_members.go",
		"o.turn, o.part = int(r.Uint()), int(r.Uint())", "o.turn, _ = int(r.Uint()), r.Uint()",
	},
	{
		"nonces that the next program does not know", "history.go",
		"author: authors.restore(r), nonce: r.String()}", "author: authors.restore(r)}; _ = r.String()",
	},
	{
		"a newcomer whose history counts as its queue in the next program", "carry_members.go",
		"at: r.begin[logOf{h, of.stream}].Forward(seq), head: head}", "at: r.begin[logOf{h, of.stream}].Forward(seq)}; _ = head",
	},
	{
		"a room that waits, and nobody rings for it", "flush.go",
		"if r.hub.flags.And(^hubHot)&hubWaits != 0 {", "if r.hub.flags.And(^hubHot)&hubWaits == 0 {",
	},
	{
		"messages that wait, and that the next program takes for written", "freeze.go",
		"h.has(hubStalled|hubWaits)", "h.has(hubStalled)",
	},
}

// Each takes the compiler some seconds: a few, others each time, are enough for a change
// that is not of the model.
var modelFaults = flag.Int("model.faults", 5, "number of planted faults that the model is to find")

func TestModelFindsPlantedFaults(t *testing.T) {
	if ring || overTLS || testing.Short() || raceDetector {
		t.Skip("once is enough")
	}
	rand.Shuffle(len(planted), func(i, j int) { planted[i], planted[j] = planted[j], planted[i] })
	for _, fault := range planted[:min(*modelFaults, len(planted))] {
		t.Run(fault.name, func(t *testing.T) {
			source, err := os.ReadFile(fault.file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), fault.right); n != 1 {
				t.Fatalf("the code to be spoiled is there %d times", n)
			}
			original, err := filepath.Abs(fault.file)
			if err != nil {
				t.Fatal(err)
			}
			spoiled := filepath.Join(t.TempDir(), fault.file)
			overlay := filepath.Join(t.TempDir(), "overlay.json")
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
			build := exec.Command("go", "test", "-vet", "off", "-gcflags", "-N -l", "-ldflags", "-s -w", // it is the compiler that takes long
				"-overlay", overlay, "-count", "1", "-run", "^TestEverySchedule", ".", "-model.runs", "10000")
			out, err := build.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "-model.seed") {
				t.Errorf("not found: %v\n%s", err, out)
			}
		})
	}
}
