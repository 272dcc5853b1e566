package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/htmlreport"
	"chatd/bench/result"
)

// showCommands show a part of a comparison that was made before.
func showCommands(out io.Writer) []*ffcli.Command {
	return []*ffcli.Command{
		showCommand(out, "table", "print a comparison's table in Markdown", htmlreport.Markdown),
		showCommand(out, "goals", "print chatd's goals beside what a comparison measured, in Markdown", htmlreport.GoalsMarkdown),
		showCommand(out, "before", "print the figures beside those of an older chatd in the same comparison, in Markdown", htmlreport.Before),
		showCommand(out, "growth", "print how a comparison's figures grow with the load, in Markdown", htmlreport.Growth),
	}
}

func showCommand(out io.Writer, name, help string, show func(*result.Comparison) string) *ffcli.Command {
	return &ffcli.Command{
		Name: name, ShortHelp: help, ShortUsage: "chatbench " + name + " [comparison.jsonl]",
		Exec: func(_ context.Context, args []string) error {
			path := "bench/report/comparison.jsonl"
			switch len(args) {
			case 0:
			case 1:
				path = args[0]
			default:
				return usageError("unexpected argument %q", args[1])
			}
			f, err := os.Open(path)
			if err != nil {
				return err
			}
			defer f.Close()
			c, err := result.ReadComparison(f)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			_, err = io.WriteString(out, show(c))
			return err
		},
	}
}
