package interop

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhatIsMissingIsSaid(t *testing.T) {
	c := config(time.Minute)
	row, err := c.Row(t.Context(), &Client{Name: "nobody", Version: []string{"sh", "-c", "echo no nobody >&2; exit 1"}})
	if err != nil {
		t.Fatal(err)
	}
	tool, err := c.ToolRow(t.Context(), &Tool{Name: "nothing", Version: []string{"/nowhere/nothing"}})
	if err != nil {
		t.Fatal(err)
	}
	report := Report{Clients: []Row{row}, Tools: []ToolRow{tool}}
	table := report.Markdown()
	for _, line := range []string{"| nobody | – | not available here: no nobody |", "| nothing | – | not available here: "} {
		if !strings.Contains(table, line) {
			t.Errorf("there is no %q in\n%s", line, table)
		}
	}
	if failed := report.Failed(); failed != nil {
		t.Errorf("%q is missing, and said to have failed", failed)
	}
}

func TestTheTableTellsFaultsFromKnownOnes(t *testing.T) {
	known := &Client{Name: "known", Deflate: Choice, Known: "it spins"}
	report := Report{
		Clients: []Row{
			{Client: known, Version: "1", Faults: map[Mode][]string{Plain: nil, Agreed: {"late"}, Declined: nil, Secure: nil}},
			{Client: &Client{Name: "new", Fragments: true}, Version: "2", Faults: map[Mode][]string{Plain: {"a|b", "c"}}},
			{Client: known, Version: "3", Faults: map[Mode][]string{Plain: {"late"}}},
		},
		Tools: []ToolRow{{Tool: &Tool{Name: "good"}, Version: "4"}, {Tool: &Tool{Name: "bad"}, Version: "5", Faults: []string{"lost"}}},
	}
	for _, line := range []string{
		"| known | 1 | ok | a fault of its own: it spins | ok | – | ok |",
		"| new | 2 | **fails**: a\\|b; c | – | – | yes | – |",
		"| known | 3 | **fails**: late | – | – | – | – |",
		"| good | 4 | ok |",
		"| bad | 5 | **fails**: lost |",
	} {
		if table := report.Markdown(); !strings.Contains(table, line+"\n") {
			t.Errorf("there is no %q in\n%s", line, table)
		}
	}
	if failed := strings.Join(report.Failed(), " "); failed != "new known bad" {
		t.Errorf("failed: %s", failed)
	}
}

func TestEveryProgramIsThere(t *testing.T) {
	var commands [][]string
	for _, c := range Clients {
		commands = append(commands, c.Command)
	}
	for _, tool := range Tools {
		commands = append(commands, tool.Command)
	}
	for _, words := range commands {
		for _, word := range words {
			if file, ok := strings.CutPrefix(word, "{clients}"); ok {
				if _, err := os.Stat(filepath.Join("clients", file)); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestAWordThatNamesNothingIsRefused(t *testing.T) {
	if _, err := config(time.Minute).All(t.Context(), "no such thing", func(string, int, int) {}); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}
