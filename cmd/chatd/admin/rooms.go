package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"text/tabwriter"

	"chatd/room"
)

// topCount is how many rooms are shown.
const topCount = 10

// topRooms answers with the rooms that have most to do; as text, or with
// ?format=json.
func topRooms(w http.ResponseWriter, r *http.Request, server *room.Server) {
	ctx, cancel := context.WithTimeout(r.Context(), questionTimeout)
	defer cancel()
	top, err := server.TopRooms(ctx, topCount)
	if err != nil {
		http.Error(w, "the workers don't answer", http.StatusServiceUnavailable)
		return
	}
	total := server.Stats().Rooms
	if r.FormValue("format") == "json" {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(struct {
			Total int64           `json:"total"`
			Rooms []room.RoomInfo `json:"rooms"`
		}{total, top}) // whoever hangs up gets nothing
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%d rooms; those with the most messages a second (?format=json)\n\n", total)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "ROOM\tMEMBERS\tMESSAGES\tPER SECOND\tLOG SEGMENTS\tLOG BYTES\tLAGGING\tLAG")
	for _, i := range top {
		fmt.Fprintf(out, "%q\t%d\t%d\t%.1f\t%d\t%d\t%d\t%d\n", i.Name, i.Members, i.Messages, i.Rate, i.LogSegments, i.LogBytes, i.Lagging, i.Lag)
	}
	out.Flush()
}
