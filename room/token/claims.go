package token

import (
	"errors"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"

	"chatd/room/chat"
)

// maxSubject is the length in bytes of the longest subject, as OpenID Connect has
// it (Core §2).
const maxSubject = 255

// maxTime is the end of the year 9999: beyond, somebody has counted milliseconds.
const maxTime = 253_402_300_799 // s since 1970

// claims are those of a token as it says them, of their types. They implement
// [jwt.Claims].
type claims struct {
	grant   Grant
	expires *float64 // s since 1970
	from    *float64 // likewise: nbf
	fault   Fault    // what is wrong with a value
}

// errClaims is a claim of the wrong type, one that is there twice, or no object.
var errClaims = errors.New("claims")

// UnmarshalJSON takes the claims in. Names are as they are, in their case; null is
// no value of any of them.
func (c *claims) UnmarshalJSON(b []byte) error {
	var in struct {
		Subject   jsontext.Value `json:"sub"`
		Name      jsontext.Value `json:"name"`
		Rooms     jsontext.Value `json:"rooms"`
		Say       jsontext.Value `json:"say"`
		Expires   jsontext.Value `json:"exp"`
		NotBefore jsontext.Value `json:"nbf"`
		IssuedAt  jsontext.Value `json:"iat"`
	}
	var subject, name *string
	var rooms *[]*string
	var say *bool
	var issued *float64 // which only has to be one
	if json.Unmarshal(b, &in) != nil || !is(in.Subject, '"', &subject) || !is(in.Name, '"', &name) || !is(in.Rooms, '[', &rooms) ||
		!(is(in.Say, 't', &say) || is(in.Say, 'f', &say)) || !is(in.Expires, '0', &c.expires) || !is(in.NotBefore, '0', &c.from) || !is(in.IssuedAt, '0', &issued) {
		return errClaims
	}
	g := &c.grant
	g.Say = say == nil || *say
	if g.anyRoom = rooms == nil; !g.anyRoom {
		for _, pattern := range *rooms {
			if pattern == nil {
				return errClaims
			}
			g.rooms = append(g.rooms, *pattern)
		}
	}
	if subject != nil {
		g.Subject = *subject
		if !isSubject(g.Subject) {
			c.fault = BadSubject
		}
	}
	if g.Named = name != nil; g.Named {
		var ok bool
		if g.Name, ok = chat.CleanName(*name); !ok {
			c.fault = BadName
		}
	}
	if c.expires != nil {
		if *c.expires > maxTime {
			c.fault = BadExpiry
		}
		g.Expires = millis(*c.expires)
	}
	return nil
}

// is reads a claim that must be of the kind, if it is there at all.
func is[T any](v jsontext.Value, kind jsontext.Kind, to **T) bool {
	switch {
	case v == nil:
		return true
	case v.Kind() != kind:
		return false
	}
	return json.Unmarshal(v, to) == nil
}

// isSubject reports whether s can be an id: it is shown, and it is a segment of a
// path.
func isSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// millis is a time in s as ms, within what can be counted.
func millis(s float64) int64 { return int64(math.Floor(max(-maxTime, min(s, maxTime)) * 1000)) }

// GetExpirationTime implements jwt.Claims.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return date(c.expires), nil }

// GetNotBefore implements jwt.Claims.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return date(c.from), nil }

// GetIssuedAt implements jwt.Claims. It is not asked for: when a token was made is
// no reason to refuse it (RFC 7519 §4.1.6).
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return nil, nil }

// GetIssuer implements jwt.Claims.
func (c *claims) GetIssuer() (string, error) { return "", nil }

// GetSubject implements jwt.Claims.
func (c *claims) GetSubject() (string, error) { return c.grant.Subject, nil }

// GetAudience implements jwt.Claims.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return nil, nil }

func date(s *float64) *jwt.NumericDate {
	if s == nil {
		return nil
	}
	return &jwt.NumericDate{Time: time.UnixMilli(millis(*s))}
}
