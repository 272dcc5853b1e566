package token

import (
	"reflect"
	"strings"
	"testing"

	"chatd/room/carry"
	"chatd/room/carry/carrytest"
)

func TestGrantIsRestored(t *testing.T) {
	carrytest.Fields(t, Grant{}, carrytest.Carried("Subject", "Name", "Named", "Say", "Expires", "rooms", "anyRoom"))
	for _, g := range []*Grant{
		{},
		{Subject: strings.Repeat("x", maxSubject), Name: "Zoë", Named: true, Expires: 2_000_000, rooms: []string{"a", "b-*"}},
		{Say: true, Expires: -1, anyRoom: true},
	} {
		r := carrytest.Read(t, g.Carry)
		got := Restore(r)
		if err := r.Close(); err != nil || !reflect.DeepEqual(got, g) {
			t.Errorf("%+v, want %+v; %v", got, g, err)
		}
		carrytest.Damage(t, g.Carry, func(r *carry.Reader) {
			if g := Restore(r); r.Err() == nil {
				g.Allows("a-b")
			}
		})
	}
	r := carrytest.Read(t, (&Grant{Subject: strings.Repeat("x", maxSubject+1)}).Carry)
	if Restore(r); r.Err() == nil {
		t.Error("a subject that no id can be")
	}
}
