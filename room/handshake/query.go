package handshake

import (
	"net/url"
	"strings"

	"chatd/room/position"
)

// Query is what the query of a request's target asks for. Of a key that is
// repeated the first counts.
type Query struct {
	Name    string         // as which to speak
	Session string         // that proves who it is
	Token   string         // that allows it
	Since   position.Since // where in the room to begin
}

// parseQuery reads the part of a target that follows the ?, as net/url does: what
// is not well encoded is ignored, but for a place in the room, which it would be
// wrong to guess; ok is false then, and if it is no place.
func parseQuery(query string) (q Query, ok bool) {
	if query == "" {
		return q, true
	}
	var seen [len(keys)]bool
	for pair := range strings.SplitSeq(query, "&") {
		encoded, value, _ := strings.Cut(pair, "=")
		key, known := keyOf(encoded)
		if !known || seen[key] {
			continue
		}
		value, err := url.QueryUnescape(value)
		bad := err != nil || strings.Contains(pair, ";")
		if bad && key != keySince {
			continue
		}
		seen[key] = true
		switch key {
		case keyName:
			q.Name = value
		case keySince:
			if q.Since, ok = position.ParseSince(value); !ok || bad {
				return Query{}, false
			}
		case keySession:
			q.Session = value
		case keyToken:
			q.Token = value
		}
	}
	return q, true
}

// The keys that are known.
const (
	keyName = iota
	keySince
	keySession
	keyToken
)

var keys = [...]string{"name", "since", "session", "token"}

// keyOf is the known key that was written so.
func keyOf(encoded string) (key int, known bool) {
	name, err := url.QueryUnescape(encoded)
	for key, known := range keys {
		if name == known && err == nil {
			return key, true
		}
	}
	return 0, false
}
