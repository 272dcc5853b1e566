package interop

import (
	"cmp"
	"context"
	"fmt"
	"strings"
)

// Row is what came of one client.
type Row struct {
	Client  *Client
	Version string
	Missing string            // why there is none
	Faults  map[Mode][]string // of the modes that it was run in
}

// Row runs a client in all modes that it has.
func (c Config) Row(ctx context.Context, client *Client) (Row, error) {
	row := Row{Client: client, Faults: make(map[Mode][]string)}
	if row.Version, row.Missing = c.version(ctx, client.Version); row.Version == "" {
		return row, ctx.Err()
	}
	for _, m := range Modes {
		if !client.has(m) {
			continue
		}
		faults, err := c.Run(ctx, client, m)
		if err != nil {
			return row, fmt.Errorf("%s, %s: %w", client.Name, m, err)
		}
		row.Faults[m] = faults
	}
	return row, ctx.Err()
}

// Failed reports whether anything was wrong that was not known.
func (r Row) Failed() bool {
	for m, faults := range r.Faults {
		if len(faults) > 0 && !r.known(m) {
			return true
		}
	}
	return false
}

func (r Row) known(m Mode) bool { return r.Client.Known != "" && m == Agreed }

// cell is the verdict of one mode.
func (r Row) cell(m Mode) string {
	faults, ran := r.Faults[m]
	switch {
	case !ran:
		return "–"
	case len(faults) == 0:
		return "ok"
	case r.known(m):
		return "a fault of its own: " + r.Client.Known
	}
	return failed(faults)
}

// Markdown is the clients' table and the tools'.
func (r *Report) Markdown() string {
	var b strings.Builder
	b.WriteString("| client | version | permessage-deflate not offered | agreed | declined | sends fragments | over TLS |\n")
	b.WriteString("|---|---|---|---|---|---|---|\n")
	for _, row := range r.Clients {
		if row.Missing != "" {
			fmt.Fprintf(&b, "| %s | – | %s | | | | |\n", row.Client.Name, missing(row.Missing))
			continue
		}
		fragments := "–"
		if row.Client.Fragments {
			fragments = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n",
			row.Client.Name, escape(row.Version), row.cell(Plain), row.cell(Agreed), row.cell(Declined), fragments, row.cell(Secure))
	}
	b.WriteString("\n| tool | version | verdict |\n|---|---|---|\n")
	for _, row := range r.Tools {
		verdict := "ok"
		switch {
		case row.Missing != "":
			verdict = missing(row.Missing)
		case len(row.Faults) > 0:
			verdict = failed(row.Faults)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.Tool.Name, cmp.Or(escape(row.Version), "–"), verdict)
	}
	return b.String()
}

func missing(why string) string { return "not available here: " + escape(why) }

func failed(faults []string) string { return "**fails**: " + escape(strings.Join(faults, "; ")) }

// escape keeps text within its cell.
func escape(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(s)
}
