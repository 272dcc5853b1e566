package soak

import (
	"errors"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// conversation is a ledger and the messages that were sent, at the times 1, 2, 3 …
type conversation struct {
	ledger
	all []message
}

func (r *conversation) say(publisher uint32) {
	m := message{id: identity{publisher: publisher}, size: 20 + len(r.all)%1000, op: ws.OpBinary, sent: int64(len(r.all) + 1)}
	r.send(&m)
	r.all = append(r.all, m)
}

// hears has a client hear messages, and returns what is wrong with the last.
func (r *conversation) hears(p *place, messages ...int) (err error) {
	for _, i := range messages {
		if err = r.hear(p, r.all[i].op, r.all[i].encode(nil)); err != nil {
			return err
		}
	}
	return nil
}

// newConversation is one in which two publishers said eight messages.
func newConversation() *conversation {
	r := &conversation{}
	for id := range uint32(2) {
		r.publisher(id)
	}
	for i := range uint32(8) {
		r.say(i % 2)
	}
	return r
}

func TestEverybodyHearsTheOrderOfTheFirst(t *testing.T) {
	r := newConversation()
	var a, b place
	if err := r.hears(&a, 0, 2, 1, 3, 4); err != nil { // any order that keeps each publisher's own
		t.Fatal(err)
	}
	if err := r.hears(&b, 0, 2, 1, 3, 4, 5); err != nil {
		t.Fatal(err)
	}
	if err := r.hears(&a, 5, 6, 7); err != nil {
		t.Fatal(err)
	}
	if r.due(&b, 6) || !r.due(&b, 7) || r.due(&a, 8) || r.end() != 8 {
		t.Errorf("due to b of 6 %v, of 7 %v, to a %v, end %d", r.due(&b, 6), r.due(&b, 7), r.due(&a, 8), r.end())
	}
}

func TestWhatIsWrongWithAMessageIsFoundAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		heard []int // by another before
		hears []int
		want  error
	}{
		"lost, as another heard":       {[]int{0, 1, 2, 3}, []int{0, 1, 3}, errMixed},
		"lost, heard by nobody":        {nil, []int{0, 1, 4}, errNovel},
		"repeated":                     {nil, []int{0, 1, 1}, errNovel},
		"repeated, as nobody else":     {[]int{0, 1, 2}, []int{0, 1, 1}, errMixed},
		"in another order than others": {[]int{0, 1, 2, 3}, []int{0, 2, 1}, errMixed},
		"reordered of one publisher":   {nil, []int{2}, errNovel},
		"lost before the first":        {[]int{0, 1, 2, 3}, []int{2}, errUnmet},
	} {
		t.Run(name, func(t *testing.T) {
			r := newConversation()
			var other, p place
			if err := r.hears(&other, tt.heard...); err != nil {
				t.Fatal(err)
			}
			if err := r.hears(&p, tt.hears...); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestDamagedMessageIsFound(t *testing.T) {
	for _, first := range []bool{true, false} {
		r := newConversation()
		var other, p place
		if !first {
			if err := r.hears(&other, 0); err != nil {
				t.Fatal(err)
			}
		}
		payload := r.all[0].encode(nil)
		payload[len(payload)-1]++
		if err := r.hear(&p, ws.OpBinary, payload); err == nil {
			t.Errorf("heard by the first: %v: nothing is wrong", first)
		}
	}
	r := newConversation()
	if err := r.hear(new(place), ws.OpText, []byte("short")); !errors.Is(err, errShort) {
		t.Error(err)
	}
}

func TestNewClientMayMissOnlyWhatWasSentBeforeItJoined(t *testing.T) {
	r := newConversation()
	var early place
	if err := r.hears(&early, 0, 1, 2, 3); err != nil {
		t.Fatal(err)
	}
	if err := r.hears(&place{since: 3}, 3, 4); err != nil { // 0, 1 and 2 were sent at 1, 2 and 3
		t.Error(err)
	}
	if err := r.hears(&place{since: 3}, 1, 2); err != nil { // its part of the room was behind
		t.Error(err)
	}
}

// Which message comes first to a client that has just joined depends on when it
// did: others may have been before it, which nobody has read yet.
func TestNewClientThatIsAheadOfAllOthersWaitsForThem(t *testing.T) {
	r := newConversation()
	late := place{since: 2}
	if err := r.hears(&late, 2); !errors.Is(err, errEarly) {
		t.Fatal(err)
	}
	if err := r.hears(new(place), 0, 1, 2); err != nil {
		t.Fatal(err)
	}
	if err := r.hears(&late, 2, 3); err != nil {
		t.Error(err)
	}
}

func TestForgottenMessagesChangeNothingForThoseWhoStay(t *testing.T) {
	r := newConversation()
	var a, b place
	for i := range 10 * prunable {
		r.say(uint32(i) % 2)
	}
	for i := range r.all {
		if err := errors.Join(r.hears(&a, i), r.hears(&b, i)); err != nil {
			t.Fatal(err)
		}
		r.forget(min(a.next, b.next))
	}
	if kept := len(r.entries); kept > 3*prunable || kept < history {
		t.Errorf("%d entries are kept", kept)
	}
	volume := uint64(0)
	for _, m := range r.all[:a.next-1] {
		volume += uint64(m.size)
	}
	if got := r.upTo(a.next - 1); got != volume {
		t.Errorf("%d bytes before the last message, want %d", got, volume)
	}
	if late := r.begin(); !slices.ContainsFunc(r.entries[late.next-r.base:], func(e entry) bool { return e.id == r.all[len(r.all)-1].id }) {
		t.Error("a new client can't find the last message")
	}
}
