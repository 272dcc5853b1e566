package interop

import (
	"context"
	"errors"
	"strings"
)

// ErrNone says that no name contains the word.
var ErrNone = errors.New("there is no such client or tool")

// Report is what came of everything.
type Report struct {
	Clients []Row
	Tools   []ToolRow
}

// All runs all clients and tools whose name contains a word.
func (c Config) All(ctx context.Context, word string, progress func(what string, done, total int)) (*Report, error) {
	wanted := func(name string) bool { return strings.Contains(strings.ToLower(name), strings.ToLower(word)) }
	report, done, total := new(Report), 0, len(Clients)+len(Tools)
	for _, client := range Clients {
		progress(client.Name, done, total)
		if done++; !wanted(client.Name) {
			continue
		}
		row, err := c.Row(ctx, client)
		if err != nil {
			return nil, err
		}
		report.Clients = append(report.Clients, row)
	}
	for _, tool := range Tools {
		progress(tool.Name, done, total)
		if done++; !wanted(tool.Name) {
			continue
		}
		row, err := c.ToolRow(ctx, tool)
		if err != nil {
			return nil, err
		}
		report.Tools = append(report.Tools, row)
	}
	if len(report.Clients)+len(report.Tools) == 0 {
		return nil, ErrNone
	}
	return report, nil
}

// Failed names what has faults that were not known.
func (r *Report) Failed() (names []string) {
	for _, row := range r.Clients {
		if row.Failed() {
			names = append(names, row.Client.Name)
		}
	}
	for _, row := range r.Tools {
		if len(row.Faults) > 0 {
			names = append(names, row.Tool.Name)
		}
	}
	return names
}
