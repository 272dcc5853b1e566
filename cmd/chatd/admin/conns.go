package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"chatd/room"
)

const (
	defaultRows = 100
	maxRows     = 1000
)

// table is what /debug/conns answers.
type table struct {
	Total       int               `json:"total"`
	Pages       int               `json:"pages"` // connections besides, which ask for pages
	From        int               `json:"from"`
	Connections []room.ConnInfo   `json:"connections"`
	Departed    []room.Disconnect `json:"departed"`
}

// conns answers with one page of the connections, ?from=0&limit=100, and the
// last departures; as text, or with ?format=json.
func conns(w http.ResponseWriter, r *http.Request, server *room.Server) {
	from, err := number(r, "from", 0, 1<<30)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	limit, err := number(r, "limit", defaultRows, maxRows)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), questionTimeout)
	defer cancel()
	rows, total, err := server.Connections(ctx, from, limit)
	if err != nil {
		http.Error(w, "the workers don't answer", http.StatusServiceUnavailable)
		return
	}
	t := table{Total: total, Pages: max(0, int(server.Conns())-total), From: from, Connections: rows, Departed: server.Disconnects()}
	if t.Connections == nil {
		t.Connections = []room.ConnInfo{}
	}
	if r.FormValue("format") == "json" {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(t) // whoever hangs up gets nothing
		return
	}
	t.print(w)
}

// number is a query's parameter.
func number(r *http.Request, name string, otherwise, most int) (int, error) {
	v := r.FormValue(name)
	if v == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s is %q: must be a number from 0 to %d", name, v, most)
	}
	return n, nil
}

// source is an address for the table; one that went, or came by a unix socket,
// has none.
func source(addr netip.AddrPort) string {
	if !addr.IsValid() {
		return "-"
	}
	return addr.String()
}

// name is that of a chat client for the table, in quotes: it may be anything.
func name(c room.ConnInfo) string {
	if c.ID == "" {
		return ""
	}
	return strconv.Quote(c.Name)
}

// print writes t as text. What can't be written was for somebody who hung up.
func (t *table) print(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%d connections, from %d (?from= &limit= &format=json), and %d that ask for pages\n\n", t.Total, t.From, t.Pages)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "FD\tSOURCE\tSTATE\tROOMS\tAGE\tLAG\tIN\tOUT\tDIALECT\tCOMPRESSED\tTLS\tID\tNAME")
	for _, c := range t.Connections {
		age := time.Duration(c.Age * float64(time.Second)).Round(room.TickInterval)
		fmt.Fprintf(out, "%d\t%s\t%s\t%s\t%v\t%d\t%d\t%d\t%s\t%v\t%v\t%s\t%s\n", c.FD, source(c.Source), c.State, strings.Join(c.Rooms, ","), age, c.Lag, c.BytesIn, c.BytesOut, c.Dialect, c.Compressed, c.TLS, c.ID, name(c))
	}
	out.Flush()
	fmt.Fprintf(w, "\nThe last %d that were refused or sent away:\n\n", len(t.Departed))
	out = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "TIME\tSOURCE\tREASON\tCODE\tLAG")
	for _, d := range t.Departed {
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%d\n", d.Time.Format(time.RFC3339), source(d.Source), d.Reason, d.Code, d.Lag)
	}
	out.Flush()
}
