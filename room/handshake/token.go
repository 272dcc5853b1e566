package handshake

import (
	"bytes"
	"net/http"
)

// token is what the request gives to be let in: the bearer token (RFC 6750 §2.1) or
// else that of the query. Credentials of another scheme, as a proxy's, are none of
// ours.
func (f *fields) token(q *Query) string {
	scheme, bearer, _ := bytes.Cut(f.authorization.value, []byte{' '})
	if !is(scheme, "Bearer") {
		return q.Token
	}
	return string(bytes.TrimSpace(bearer))
}

// Unauthorized is the answer to a request without a valid token: reason is one
// stable word, and text says what is wrong with it.
func Unauthorized(reason, text string) Result {
	return refuse(newRefusal(reason, http.StatusUnauthorized, text, "WWW-Authenticate: Bearer"), nil) // RFC 9110 §11.6.1
}

// RoomForbidden is the answer to a request for a room that its token does not allow.
var RoomForbidden = refuse(newRefusal("room_forbidden", http.StatusForbidden, "the token does not allow this room"), nil)
