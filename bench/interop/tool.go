package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"chatd/bench/hostile"
)

// Tool puts load on a server: toolUsers users, each of whom connects, sends
// toolMessages messages and goes.
type Tool struct {
	Name    string
	Version []string // as of a Client
	Command []string // is given HOST, PORT, users, messages, and a directory for what it writes
}

const (
	toolUsers    = 20
	toolMessages = 25
)

// Tools are all of them.
var Tools = []*Tool{
	{
		Name:    "k6",
		Version: number("{bin}/k6 version"),
		Command: []string{"sh", "{clients}/tools/k6.sh", "{bin}/k6"},
	},
	{
		Name:    "artillery",
		Version: []string{"node", "-p", "require('{bin}/artillery/node_modules/artillery/package.json').version"},
		Command: []string{"sh", "{clients}/tools/artillery.sh", "{bin}/artillery/node_modules/.bin/artillery"},
	},
	{
		Name:    "tsung",
		Version: number("tsung -v"),
		Command: []string{"sh", "{clients}/tools/tsung.sh", "tsung"},
	},
}

// ToolRow is what came of one tool.
type ToolRow struct {
	Tool    *Tool
	Version string
	Missing string // why there is none
	Faults  []string
}

// ToolRow runs a tool.
func (c Config) ToolRow(ctx context.Context, tool *Tool) (row ToolRow, err error) {
	row.Tool = tool
	if row.Version, row.Missing = c.version(ctx, tool.Version); row.Version == "" {
		return row, ctx.Err()
	}
	chatd, err := hostile.StartChatd(ctx, c.Chatd, "-addr", "127.0.0.1:0")
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, chatd.Stop()) }()
	if row.Faults, err = c.load(ctx, tool, chatd); err != nil {
		return row, err
	}
	metrics, err := chatd.Metrics(ctx)
	row.Faults = append(row.Faults, counted(metrics)...)
	return row, err
}

// load runs the tool beside a neighbour, who has to hear everything.
func (c Config) load(ctx context.Context, tool *Tool, chatd *hostile.Chatd) (faults []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.Timeout) // some take long to start
	defer cancel()
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	n, err := newNeighbour(ctx, "ws://"+chatd.Addr+"/ws", nil)
	if err != nil {
		return nil, err
	}
	defer n.conn.CloseNow()
	listened := make(chan error, 1)
	go func() { listened <- n.hearOut(ctx, bye) }()

	host, port, err := net.SplitHostPort(chatd.Addr)
	if err != nil {
		return nil, err
	}
	cmd := c.expand(ctx, tool.Command, host, port, fmt.Sprint(toolUsers), fmt.Sprint(toolMessages), dir)
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		faults = append(faults, fmt.Sprintf("it ended with %v: %s", err, lastLine(out.String())))
	}
	// When all users are gone, all that they sent comes before what is sent now.
	alone := func(connections float64) bool { return connections == 1 }
	if err := errors.Join(chatd.Until(ctx, "chatd_connections", alone), n.say(ctx, bye), <-listened); err != nil {
		return append(faults, err.Error()), nil
	}
	if got := len(n.heard) - 1; got != toolUsers*toolMessages {
		faults = append(faults, fmt.Sprintf("the neighbour heard %d messages of %d", got, toolUsers*toolMessages))
	}
	return faults, nil
}

// counted is what chatd has refused, and whom it has sent away. A tool may hang
// up as it likes.
func counted(metrics map[string]float64) (faults []string) {
	for series, n := range metrics {
		refused := strings.HasPrefix(series, "chatd_handshake_failures_total{")
		sent := strings.HasPrefix(series, "chatd_dropped_total{") && !strings.Contains(series, `"reset"`)
		if n > 0 && (refused || sent) {
			faults = append(faults, fmt.Sprintf("%s %.0f", series, n))
		}
	}
	slices.Sort(faults)
	return faults
}
