// Package carrytest is for tests of what is carried.
package carrytest

import (
	"maps"
	"reflect"
	"slices"
	"testing"
)

// Fate is what becomes of some fields of a struct, see Carried and Rebuilt.
type Fate struct {
	names   []string
	carried bool
	why     string // not
}

// Carried are fields that are written and read.
func Carried(names ...string) Fate { return Fate{names: names, carried: true} }

// Rebuilt is a field that is not, and why it needn't be.
func Rebuilt(name, why string) Fate { return Fate{names: []string{name}, why: why} }

// Fields fails the test unless each field of the struct has one fate, and each fate is
// a field's: so that nobody adds a field and forgets that a server is replaced.
func Fields(t testing.TB, of any, fates ...Fate) {
	t.Helper()
	for _, problem := range problems(reflect.TypeOf(of), fates) {
		t.Error(problem)
	}
}

func problems(of reflect.Type, fates []Fate) (found []string) {
	left := make(map[string]bool)
	for i := range of.NumField() {
		if name := of.Field(i).Name; name != "_" {
			left[name] = true
		}
	}
	known := maps.Clone(left)
	for _, f := range fates {
		if !f.carried && f.why == "" {
			found = append(found, of.String()+": nothing says why "+f.names[0]+" is rebuilt")
		}
		for _, name := range f.names {
			switch {
			case !known[name]:
				found = append(found, of.String()+" has no field "+name)
			case !left[name]:
				found = append(found, of.String()+": "+name+" is named twice")
			}
			delete(left, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		found = append(found, of.String()+": "+name+" is neither carried nor rebuilt: is it lost when the server is replaced?")
	}
	return found
}
