package result

import (
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{4}, Spread{4, 4, 4, 1}},
		{[]float64{9, 1}, Spread{5, 1, 9, 2}},
		{[]float64{3, 1, 2}, Spread{2, 1, 3, 3}},
		{[]float64{10, 1, 2, 4}, Spread{3, 1, 10, 4}},
	} {
		before := slices.Clone(test.values)
		if got := SpreadOf(test.values); got != test.want {
			t.Errorf("SpreadOf(%v) = %+v, want %+v", test.values, got, test.want)
		}
		if !slices.Equal(before, test.values) {
			t.Errorf("SpreadOf changed %v to %v", before, test.values)
		}
	}
}

func TestRatio(t *testing.T) {
	two, five := SpreadOf([]float64{2}), SpreadOf([]float64{5})
	if r, ok := five.Ratio(two); !ok || r != 2.5 {
		t.Errorf("5 to 2 is %v, %v", r, ok)
	}
	for _, base := range []Spread{{}, SpreadOf([]float64{0})} {
		if r, ok := five.Ratio(base); ok {
			t.Errorf("the ratio to %+v is %v", base, r)
		}
	}
	if _, ok := (Spread{}).Ratio(two); ok {
		t.Error("a missing figure has a ratio")
	}
}
