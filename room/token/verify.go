package token

import (
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// MaxSize is the length in bytes of the longest token that is looked at.
const MaxSize = 8 << 10

// Fault is what is wrong with a token.
type Fault uint8

// The faults. Valid is none.
const (
	Valid Fault = iota
	Missing
	TooLong
	Malformed
	Algorithm
	Critical
	Signature
	Expired
	Early
	NoExpiry
	BadClaims
	BadSubject
	BadName
	BadExpiry
	Faults // how many there are, with Valid
)

// faultTable says of each fault its stable word, for counters, and a sentence for
// whoever made the token.
var faultTable = [Faults]struct{ word, text string }{
	Valid:      {"", ""},
	Missing:    {"no_token", "a token is needed: as ?token=… or as Authorization: Bearer …"},
	TooLong:    {"token_malformed", "the token is too long"},
	Malformed:  {"token_malformed", "the token is no JSON Web Token"},
	Algorithm:  {"token_algorithm", "the token is signed by another algorithm than that of the server's key"},
	Critical:   {"token_malformed", "the token's header asks for an extension (crit) that is not known here"},
	Signature:  {"token_signature", "the token's signature is not by the server's key"},
	Expired:    {"token_expired", "the token has expired"},
	Early:      {"token_early", "the token is not valid yet (nbf)"},
	NoExpiry:   {"token_claims", "the token never expires: it must have exp, in seconds since 1970"},
	BadClaims:  {"token_claims", "a claim of the token is of the wrong type: sub and name are strings, rooms is a list of strings, say is true or false, exp and nbf are numbers"},
	BadSubject: {"token_claims", "the token's sub can't be an id, which is 1 to 255 bytes of printable text, and neither . nor .."},
	BadName:    {"token_claims", "the token's name can't be one, which is 1 to 32 characters, none of them a control character"},
	BadExpiry:  {"token_claims", "the token's exp is beyond the year 9999: it counts seconds, not milliseconds"},
}

// Word is one stable word, for logs and counters: several faults may have the same.
func (f Fault) Word() string { return faultTable[f].word }

// String is a sentence for people.
func (f Fault) String() string { return faultTable[f].text }

// Verify returns what the token allows at the time now, if it is signed by the key,
// or else what is wrong with it. There is no leeway.
func (k *Key) Verify(token string, now time.Time) (*Grant, Fault) {
	switch {
	case token == "":
		return nil, Missing
	case len(token) > MaxSize:
		return nil, TooLong
	}
	var c claims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{k.Algorithm}), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(), jwt.WithTimeFunc(func() time.Time { return now }))
	t, err := parser.ParseWithClaims(token, &c, k.forToken)
	if err != nil {
		return nil, k.fault(t, err)
	}
	if c.fault != Valid {
		return nil, c.fault
	}
	g := c.grant
	return &g, Valid
}

// errCritical is an extension that the token's header asks for: whoever does not
// know it must refuse the token (RFC 7515 §4.1.11).
var errCritical = errors.New("crit")

// forToken is the key to verify t by.
func (k *Key) forToken(t *jwt.Token) (any, error) {
	if _, critical := t.Header["crit"]; critical {
		return nil, errCritical
	}
	return k.key, nil
}

// fault is what the library's error means. T is as much of the token as it could
// read.
func (k *Key) fault(t *jwt.Token, err error) Fault {
	if errors.Is(err, errClaims) {
		return BadClaims
	}
	if t != nil && t.Header != nil && t.Header["alg"] != k.Algorithm {
		return Algorithm
	}
	for _, known := range []struct {
		err   error
		fault Fault
	}{
		{errCritical, Critical}, {jwt.ErrTokenSignatureInvalid, Signature}, {jwt.ErrTokenExpired, Expired},
		{jwt.ErrTokenNotValidYet, Early}, {jwt.ErrTokenRequiredClaimMissing, NoExpiry},
	} {
		if errors.Is(err, known.err) {
			return known.fault
		}
	}
	return Malformed
}
