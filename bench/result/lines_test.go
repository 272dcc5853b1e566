package result

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestComparisonHasARunOnEachLine(t *testing.T) {
	c := &Comparison{
		Schema: Schema, Started: time.Date(2026, 3, 14, 15, 9, 0, 0, time.UTC), Rounds: 2,
		Servers: []Server{{Name: "a", What: "a < b"}},
		Runs: []Run{
			{Schema: Schema, Scenario: "fanout", Server: "a", Params: Params{Clients: 3}},
			{Schema: Schema, Scenario: "storm", Server: "a", Faults: Faults{Lost: 1}},
		},
	}
	var b strings.Builder
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"); len(lines) != 3 || !strings.Contains(lines[2], "storm") {
		t.Errorf("%d lines:\n%s", len(lines), b.String())
	}
	if again, err := ReadComparison(strings.NewReader(b.String())); err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestFilesThatAreNoComparisonsAreRefused(t *testing.T) {
	const first = `{"schema":1,"rounds":1}` + "\n"
	for content, says := range map[string]string{
		"":                           "no comparison of schema 1",
		"<html>":                     "no comparison of schema 1",
		`{"schema":2}`:               "no comparison of schema 1",
		first + `{"schema":1}` + "{": "run 2",
		first + `{"schema":2}`:       "run 1 is not of schema 1",
	} {
		if c, err := ReadComparison(strings.NewReader(content)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v", content, c, err)
		}
	}
}
