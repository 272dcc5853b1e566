package result

import "slices"

// Spread is the median of a figure over the rounds, and how far it varied.
type Spread struct {
	Median, Min, Max float64
	N                int // measured values; without any there is no figure
}

// SpreadOf returns the spread of values, which it leaves as they are.
func SpreadOf(values []float64) Spread {
	n := len(values)
	if n == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	median := sorted[n/2]
	if n%2 == 0 {
		median = (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return Spread{Median: median, Min: sorted[0], Max: sorted[n-1], N: n}
}

// Ratio returns how many times the median of base the median of s is; false if
// either is missing.
func (s Spread) Ratio(base Spread) (float64, bool) {
	if s.N == 0 || base.N == 0 || base.Median == 0 {
		return 0, false
	}
	return s.Median / base.Median, true
}
