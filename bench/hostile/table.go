package hostile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"chatd/bench/result"
)

// Row is what came of one kind, in several rounds without and with the peers,
// in turn.
type Row struct {
	Kind          *Kind
	TLS           bool
	Peers         int
	Lost          uint64    // deliveries lost or damaged, and healthy clients cut off, with the peers
	Without, With []float64 // p99 of each round, ms
	Counted       float64   // the most of a round
	Load          []Load    // of each round
}

// Rounds makes trials of kind k without and with peers, in turn; each begins
// with what the other ended with.
func (t Trial) Rounds(ctx context.Context, k *Kind, rounds int, tell func(string)) (Row, error) {
	row := Row{Kind: k, TLS: t.TLS != nil, Peers: k.atMost(t.Peers)}
	calm := t
	calm.Peers = 0
	for i := range rounds {
		order := []Trial{calm, t}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, trial := range order {
			tell(fmt.Sprintf("%s: round %d of %d, %d peers", k.Name, i+1, rounds, trial.Peers))
			out, err := trial.Run(ctx, k)
			if err != nil {
				return row, fmt.Errorf("%s: %w", k.Name, err)
			}
			if trial.Peers == 0 {
				row.Without = append(row.Without, out.P99)
				continue
			}
			row.With = append(row.With, out.P99)
			row.Lost += out.Faults.Sum()
			row.Counted = max(row.Counted, out.Counted)
			row.Load = append(row.Load, out.Load)
		}
	}
	return row, nil
}

// mostRatio is how much the healthy may notice.
const mostRatio = 2

// load is the median of the rounds'.
func (r Row) load() Load {
	var connections, bytes []float64
	for _, l := range r.Load {
		connections, bytes = append(connections, l.Connections), append(bytes, l.Bytes)
	}
	return Load{result.SpreadOf(connections).Median, result.SpreadOf(bytes).Median}
}

// Ratio is of the medians, with to without.
func (r Row) Ratio() float64 {
	return result.SpreadOf(r.With).Median / result.SpreadOf(r.Without).Median
}

// Markdown is a table of all rows.
func Markdown(rows []Row) string {
	var b strings.Builder
	b.WriteString("| Peers | what each does | connections/s | KiB/s | healthy deliveries lost | p99 without, ms | p99 with, ms | ratio | at most 2× | what chatd does | counter | counted |\n")
	b.WriteString("|---|---|---:|---:|---:|---:|---:|---:|---|---|---|---:|\n")
	for _, r := range rows {
		verdict := "yes"
		if r.Ratio() > mostRatio {
			verdict = "no"
		}
		load := r.load()
		fmt.Fprintf(&b, "| %d %s | %s | %.0f | %.0f | %d | %s | %s | %.2f× | %s | %s | `%s` | %.0f |\n",
			r.Peers, r.name(), r.Kind.Does, load.Connections, load.Bytes/1024, r.Lost, spread(r.Without), spread(r.With), r.Ratio(), verdict, r.Kind.Chatd, r.Kind.Series, r.Counted)
	}
	return b.String()
}

// name is its kind's, and whether that came by TLS, if both can be.
func (r Row) name() string {
	if r.TLS && r.Kind.Way == AnyWay {
		return r.Kind.Name + ", by TLS"
	}
	return r.Kind.Name
}

func spread(all []float64) string {
	s := result.SpreadOf(all)
	return fmt.Sprintf("%.1f (%.1f–%.1f)", s.Median, s.Min, s.Max)
}
