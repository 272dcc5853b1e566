package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/page"
	"chatd/bench/result"
)

// showCommands show a part of a comparison that was made before.
func showCommands(out io.Writer) []*ffcli.Command {
	return []*ffcli.Command{
		showCommand(out, "table", "print a comparison's table in Markdown", page.Markdown),
		showCommand(out, "goals", "print chatd's goals beside what a comparison measured, in Markdown", page.GoalsMarkdown),
		showCommand(out, "before", "print the figures beside those of an older chatd in the same comparison, in Markdown", page.Before),
		showCommand(out, "growth", "print how a comparison's figures grow with the load, in Markdown", page.Growth),
	}
}

func showCommand(out io.Writer, name, help string, show func(*result.Comparison) string) *ffcli.Command {
	return &ffcli.Command{
		Name: name, ShortHelp: help, ShortUsage: "chatbench " + name + " [comparison.json]",
		Exec: func(_ context.Context, args []string) error {
			path := "bench/report/comparison.json"
			switch len(args) {
			case 0:
			case 1:
				path = args[0]
			default:
				return usageError("unexpected argument %q", args[1])
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var c result.Comparison
			if err := json.Unmarshal(b, &c); err != nil || c.Schema != result.Schema {
				return fmt.Errorf("%s is no comparison of schema %d", path, result.Schema)
			}
			_, err = io.WriteString(out, show(&c))
			return err
		},
	}
}
