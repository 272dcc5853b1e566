package htmlreport

import (
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   spread
	}{
		{nil, spread{}},
		{[]float64{4}, spread{4, 4, 4, 1}},
		{[]float64{9, 1}, spread{5, 1, 9, 2}},
		{[]float64{3, 1, 2}, spread{2, 1, 3, 3}},
		{[]float64{10, 1, 2, 4}, spread{3, 1, 10, 4}},
	} {
		before := slices.Clone(test.values)
		if got := spreadOf(test.values); got != test.want {
			t.Errorf("spreadOf(%v) = %+v, want %+v", test.values, got, test.want)
		}
		if !slices.Equal(before, test.values) {
			t.Errorf("spreadOf changed %v to %v", before, test.values)
		}
	}
}

func TestRatio(t *testing.T) {
	two, five := spreadOf([]float64{2}), spreadOf([]float64{5})
	if r, ok := five.ratio(two); !ok || r != 2.5 {
		t.Errorf("5 to 2 is %v, %v", r, ok)
	}
	for _, base := range []spread{{}, spreadOf([]float64{0})} {
		if r, ok := five.ratio(base); ok {
			t.Errorf("the ratio to %+v is %v", base, r)
		}
	}
	if _, ok := (spread{}).ratio(two); ok {
		t.Error("a missing figure has a ratio")
	}
}
