package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/htmlreport"
	"chatd/bench/result"
)

// shows are what can be shown of a comparison that was made before.
var shows = []struct {
	name, help string
	show       func(*result.Comparison) string
}{
	{"table", "print a comparison's table in Markdown", htmlreport.Markdown},
	{"brief", "print the few figures that tell most, in Markdown", htmlreport.Brief},
	{"goals", "print chatd's goals beside what a comparison measured, in Markdown", htmlreport.GoalsMarkdown},
	{"before", "print the figures beside those of an older chatd in the same comparison, in Markdown", htmlreport.Before},
	{"growth", "print how a comparison's figures grow with the load, in Markdown", htmlreport.Growth},
}

// measured is the file of the comparison that is shown if no other is named.
const measured = "bench/report/comparison.jsonl"

func showCommands(out io.Writer) (all []*ffcli.Command) {
	for _, s := range shows {
		all = append(all, &ffcli.Command{
			Name: s.name, ShortHelp: s.help, ShortUsage: "chatbench " + s.name + " [comparison.jsonl]",
			Exec: func(_ context.Context, args []string) error {
				path := measured
				switch len(args) {
				case 0:
				case 1:
					path = args[0]
				default:
					return usageError("unexpected argument %q", args[1])
				}
				c, err := readComparison(path)
				if err != nil {
					return err
				}
				_, err = io.WriteString(out, s.show(c))
				return err
			},
		})
	}
	return all
}

func readComparison(path string) (*result.Comparison, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := result.ReadComparison(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func quoteCommand() *ffcli.Command {
	return &ffcli.Command{
		Name: "quote", ShortHelp: "put what the others print into Markdown files, between the marks that name them",
		ShortUsage: "chatbench quote FILE...",
		Exec: func(_ context.Context, args []string) error {
			if len(args) == 0 {
				return usageError("name a file, as README.md")
			}
			c, err := readComparison(measured)
			if err != nil {
				return err
			}
			for _, path := range args {
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				if err := os.WriteFile(path, []byte(quoted(string(text), c)), 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// quotes are the places in Markdown for what a command shows.
var quotes = regexp.MustCompile(`(?s)(<!-- bin/chatbench (\w+) -->\n).*?(<!-- end -->\n)`)

// quoted is a text in Markdown with what the comparison says now at its places.
func quoted(text string, c *result.Comparison) string {
	return quotes.ReplaceAllStringFunc(text, func(old string) string {
		parts := quotes.FindStringSubmatch(old)
		for _, s := range shows {
			if s.name == parts[2] {
				return parts[1] + "\n" + s.show(c) + "\n" + parts[3]
			}
		}
		return old
	})
}
