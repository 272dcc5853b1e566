package api

import (
	"net/http"
	"net/url"
	"strconv"

	"chatd/room"
	"chatd/room/chat"
	"chatd/room/position"
)

// How much one may ask for at a time.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// figures are a room's.
type figures struct {
	Name    string  `json:"name"`
	Members int     `json:"members"`
	Seq     uint64  `json:"seq"`
	Epoch   string  `json:"epoch"`
	Rate    float64 `json:"rate"`
}

func figuresOf(f room.Figures) figures {
	return figures{f.Name, f.Members, f.Seq, epoch(f.Epoch), f.Rate}
}

// rooms lists rooms by name.
func (a *API) rooms(w http.ResponseWriter, r *http.Request, _ *room.Publisher) error {
	query, limit, err := parseQuery(r)
	if err != nil {
		return err
	}
	answer := struct {
		Rooms []figures `json:"rooms"`
		Next  string    `json:"next,omitempty"`
	}{Rooms: []figures{}}
	rooms, more := a.server.Rooms(query.Get("after"), limit)
	for _, f := range rooms {
		answer.Rooms = append(answer.Rooms, figuresOf(f))
	}
	if more {
		answer.Next = rooms[len(rooms)-1].Name
	}
	answerJSON(w, jsonText, http.StatusOK, answer)
	return nil
}

// room tells what there is to tell of one.
func (a *API) room(w http.ResponseWriter, r *http.Request, _ *room.Publisher) error {
	ctx, cancel := a.wait(r)
	defer cancel()
	f, err := a.server.Figures(ctx, r.PathValue("room"))
	if err != nil {
		return err
	}
	answerJSON(w, jsonText, http.StatusOK, figuresOf(f))
	return nil
}

// messages reads a room's history.
func (a *API) messages(w http.ResponseWriter, r *http.Request, _ *room.Publisher) error {
	query, limit, err := parseQuery(r)
	if err != nil {
		return err
	}
	since, ok := position.ParseSince(query.Get("since"))
	if !ok {
		return problem(http.StatusBadRequest, "since is not where one can begin in a room: leave it out, write now, or a position as epoch.seq")
	}
	name := r.PathValue("room")
	ctx, cancel := a.wait(r)
	defer cancel()
	x, err := a.server.Messages(ctx, name, since, limit)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", jsonText)
	if r.Method == http.MethodHead {
		return nil
	}
	writeExcerpt(w, name, x)
	return nil
}

// chunk is how many bytes are written at a time, about.
const chunk = 32 << 10

// writeExcerpt writes the answer as it is encoded: messages may be large. Who hangs
// up gets nothing more.
func writeExcerpt(w http.ResponseWriter, name string, x *room.Excerpt) {
	b := append([]byte(`{"room":"`), name...) // nothing in it needs to be escaped
	b = append(b, `","epoch":"`...)
	b = position.AppendEpoch(b, x.Epoch)
	if x.Missing {
		b = append(b, `","gap":`...)
		b = chat.AppendGap(b, name, x.Gap)
		b = append(b, `,"messages":[`...)
	} else {
		b = append(b, `","messages":[`...)
	}
	first := true
	for m := range x.All() {
		if !first {
			b = append(b, ',')
		}
		first = false
		if b = chat.AppendSay(b, name, m); len(b) >= chunk {
			if _, err := w.Write(b); err != nil {
				return
			}
			b = b[:0]
		}
	}
	_, _ = w.Write(append(b, "]}\n"...))
}

// remove sends somebody away from a room.
func (a *API) remove(w http.ResponseWriter, r *http.Request, _ *room.Publisher) error {
	ctx, cancel := a.wait(r)
	defer cancel()
	if err := a.server.Remove(ctx, r.PathValue("room"), r.PathValue("id")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// parseQuery is what the target asks for behind the ?, and how much of it.
func parseQuery(r *http.Request) (query url.Values, limit int, err error) {
	query, err = url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, 0, problem(http.StatusBadRequest, "what follows the ? is not well encoded")
	}
	limit = defaultLimit
	if query.Has("limit") {
		limit, err = strconv.Atoi(query.Get("limit"))
		if err != nil || limit < 1 || limit > maxLimit {
			return nil, 0, problem(http.StatusBadRequest, "limit must be 1 to "+strconv.Itoa(maxLimit))
		}
	}
	return query, limit, nil
}
