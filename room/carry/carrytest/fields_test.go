package carrytest

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type owner struct {
	_ [8]byte
	fmt.Stringer
	name  string
	cache map[string]int
}

func TestFieldsThatAreForgottenAreFound(t *testing.T) {
	for _, tt := range []struct {
		fates []Fate
		want  string
	}{
		{[]Fate{Carried("Stringer", "name"), Rebuilt("cache", "as names are looked up")}, ""},
		{[]Fate{Carried("Stringer", "name")}, "cache is neither"},
		{[]Fate{Carried("name"), Rebuilt("cache", "why")}, "Stringer is neither"},
		{[]Fate{Carried("Stringer", "name", "cache", "old")}, "no field old"},
		{[]Fate{Carried("Stringer", "name", "cache"), Rebuilt("cache", "why")}, "cache is named twice"},
		{[]Fate{Carried("Stringer", "name"), Rebuilt("cache", "")}, "why cache"},
		{nil, "neither\nneither\nneither"},
	} {
		found := problems(reflect.TypeFor[owner](), tt.fates)
		wants := strings.Split(tt.want, "\n")
		if tt.want == "" {
			wants = nil
		}
		if len(found) != len(wants) {
			t.Errorf("%v: %q", tt.fates, found)
			continue
		}
		for i, want := range wants {
			if !strings.Contains(found[i], want) {
				t.Errorf("%v: %q, want %q", tt.fates, found[i], want)
			}
		}
	}
	Fields(t, owner{}, Carried("Stringer", "name", "cache"))
	_ = owner{name: "", cache: nil}
}
