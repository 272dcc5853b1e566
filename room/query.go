package room

import (
	"net/url"

	"chatd/room/position"
)

// query is what a client asks for behind the path of its request.
type query struct {
	since         position.Since // where it wants to begin
	name, session string         // of one that speaks chat.v1
}

// parseQuery reads a request's query; ok is false if since is malformed. What else
// there is, and what is no query at all, is ignored, as it always was.
func parseQuery(raw string) (q query, ok bool) {
	if raw == "" {
		return q, true
	}
	values, _ := url.ParseQuery(raw)
	q.name, q.session = values.Get("name"), values.Get("session")
	q.since, ok = position.ParseSince(values.Get("since"))
	return q, ok
}
