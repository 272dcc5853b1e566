package token

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatd/room/fuzzcorpus"
)

// second is a time in s since 1970.
func second(s float64) time.Time { return time.UnixMilli(int64(s * 1000)) }

func TestTokenOfEachAlgorithmGrantsWhatItSays(t *testing.T) {
	for algorithm, i := range issuers() {
		g, fault := i.key(t).Verify(i.token(t, `{"sub":"ana@example.org","name":" Zoe\u0308 ","rooms":["a","b-*"],"say":false,"exp":2000,"nbf":1000,"iat":3000,"iss":"x","aud":["y"],"more":{"exp":1}}`), second(1000))
		if want := (&Grant{Subject: "ana@example.org", Name: "Zoë", Named: true, Expires: 2_000_000, rooms: []string{"a", "b-*"}}); fault != Valid || !reflect.DeepEqual(g, want) {
			t.Errorf("%s: %+v, %v, want %+v", algorithm, g, fault, want)
		}
	}
}

func TestTokenThatSaysLittleGrantsMuch(t *testing.T) {
	i := issuers()["HS256"]
	g, fault := i.key(t).Verify(i.token(t, `{"exp":2000.5}`), second(1000))
	if want := (&Grant{Say: true, Expires: 2_000_500, anyRoom: true}); fault != Valid || !reflect.DeepEqual(g, want) || !g.Allows("any") {
		t.Errorf("%+v, %v, want %+v", g, fault, want)
	}
	if g, fault := i.key(t).Verify(i.token(t, `{"exp":2000,"name":"","say":true}`), second(1000)); fault != Valid || !g.Named || g.Name != "" || !g.Say {
		t.Errorf("%+v, %v", g, fault)
	}
}

func TestTimesOfATokenAreExact(t *testing.T) {
	i := issuers()["EdDSA"]
	k := i.key(t)
	for _, tt := range []struct {
		claims string
		now    float64
		want   Fault
	}{
		{`{"exp":2000}`, 1999.999, Valid},
		{`{"exp":2000}`, 2000, Expired},
		{`{"exp":2000.25}`, 2000.249, Valid},
		{`{"exp":2000.25}`, 2000.25, Expired},
		{`{"exp":0}`, 1000, Expired},
		{`{"exp":-1e300}`, 1000, Expired},
		{`{"exp":2000,"nbf":1500}`, 1499.999, Early},
		{`{"exp":2000,"nbf":1500}`, 1500, Valid},
		{`{"exp":2000,"nbf":1e300}`, 1500, Early},
		{`{"exp":2000,"iat":1900}`, 1500, Valid},
		{`{"exp":253402300799}`, 1500, Valid},
		{`{"exp":1764064800123}`, 1764064800, BadExpiry},
		{`{"exp":1e300}`, 1500, BadExpiry},
	} {
		if g, fault := k.Verify(i.token(t, tt.claims), second(tt.now)); fault != tt.want || (g != nil) != (fault == Valid) {
			t.Errorf("%s at %v: %v, want %v", tt.claims, tt.now, fault, tt.want)
		}
	}
}

func TestClaimsThatAreWrongAreRefused(t *testing.T) {
	i := issuers()["HS256"]
	k := i.key(t)
	for claims, want := range map[string]Fault{
		`{}`: NoExpiry, `null`: NoExpiry, `{"EXP":2000}`: NoExpiry, `{"exp ":2000}`: NoExpiry,
		`{"exp":"2000"}`: BadClaims, `{"exp":null}`: BadClaims, `{"exp":[2000]}`: BadClaims, `{"exp":true}`: BadClaims, `{"exp":1e999}`: BadClaims,
		`{"exp":900,"EXP":2000}`:                     Expired,
		`{"exp":900,"exp":2000}`:                     BadClaims,
		`{"exp":2000,"x":1,"x":2}`:                   BadClaims,
		`{"exp":2000,"nbf":"0"}`:                     BadClaims,
		`{"exp":2000,"nbf":null}`:                    BadClaims,
		`{"exp":2000,"iat":"0"}`:                     BadClaims,
		`{"exp":2000,"sub":7}`:                       BadClaims,
		`{"exp":2000,"sub":null}`:                    BadClaims,
		`{"exp":2000,"name":7}`:                      BadClaims,
		`{"exp":2000,"name":null}`:                   BadClaims,
		`{"exp":2000,"say":"false"}`:                 BadClaims,
		`{"exp":2000,"say":0}`:                       BadClaims,
		`{"exp":2000,"say":null}`:                    BadClaims,
		`{"exp":2000,"rooms":"a"}`:                   BadClaims,
		`{"exp":2000,"rooms":null}`:                  BadClaims,
		`{"exp":2000,"rooms":{"a":1}}`:               BadClaims,
		`{"exp":2000,"rooms":["a",7]}`:               BadClaims,
		`{"exp":2000,"rooms":["a",null]}`:            BadClaims,
		`[]`:                                         BadClaims,
		`"exp"`:                                      BadClaims,
		`{"exp":2000`:                                Malformed,
		`{"exp":2000}x`:                              Malformed,
		``:                                           Malformed,
		"{\"exp\":2000,\"sub\":\"\xff\"}":            BadClaims,
		`{"exp":2000,"sub":"\ud800"}`:                BadClaims,
		`{"exp":2000,"sub":""}`:                      BadSubject,
		`{"exp":2000,"sub":"."}`:                     BadSubject,
		`{"exp":2000,"sub":".."}`:                    BadSubject,
		`{"exp":2000,"sub":"a\nb"}`:                  BadSubject,
		`{"exp":2000,"sub":"a\u202eb"}`:              BadSubject,
		`{"exp":2000,"sub":"a\u0000"}`:               BadSubject,
		long(`{"exp":2000,"sub":"%s"}`, 256):         BadSubject,
		long(`{"exp":2000,"sub":"%s"}`, 255):         Valid,
		`{"exp":2000,"sub":"auth0|é 7/8?%2F"}`:       Valid,
		long(`{"exp":2000,"name":"%s"}`, 33):         BadName,
		`{"exp":2000,"name":"a\u0000b"}`:             BadName,
		`{"exp":2000,"rooms":[]}`:                    Valid,
		`{"exp":2000,"rooms":[],"unknown":"\ud800"}`: BadClaims,
	} {
		if _, fault := k.Verify(i.token(t, claims), second(1000)); fault != want {
			t.Errorf("%.60s: %v, want %v", claims, fault, want)
		}
	}
}

func long(format string, n int) string { return fmt.Sprintf(format, strings.Repeat("x", n)) }

// What has been done to those who verify tokens, see RFC 8725.
func TestForgedTokensAreRefused(t *testing.T) {
	const claims = `{"sub":"admin","exp":2000}`
	none := issuer{method: jwt.SigningMethodNone, private: jwt.UnsafeAllowNoneSignatureType}
	all := issuers()
	for algorithm, i := range all {
		k := i.key(t)
		good := i.token(t, claims)
		header, rest, _ := strings.Cut(good, ".")
		body, signature, _ := strings.Cut(rest, ".")
		forged := map[string]struct {
			token string
			want  Fault
		}{
			"alg none":                  {none.token(t, claims), Algorithm},
			"alg None":                  {none.sign(t, `{"alg":"None"}`, claims), Algorithm},
			"alg none, signed":          {encode(`{"alg":"none"}`) + "." + body + "." + signature, Algorithm},
			"no alg":                    {i.sign(t, `{}`, claims), Algorithm},
			"alg of another case":       {i.sign(t, `{"alg":"`+strings.ToLower(algorithm)+`"}`, claims), Algorithm},
			"alg in another case, none": {i.sign(t, `{"ALG":"`+algorithm+`","alg":"none"}`, claims), Algorithm},
			"alg a list":                {i.sign(t, `{"alg":["`+algorithm+`"]}`, claims), Algorithm},
			"unknown alg":               {i.sign(t, `{"alg":"XX256"}`, claims), Algorithm},
			"another's claims":          {header + "." + encode(`{"sub":"root","exp":2000}`) + "." + signature, Signature},
			"no signature":              {header + "." + body + ".", Signature},
			"crit":                      {i.sign(t, `{"alg":"`+algorithm+`","crit":["exp"],"exp":1}`, claims), Critical},
			"unencoded payload":         {i.sign(t, `{"alg":"`+algorithm+`","b64":false,"crit":["b64"]}`, claims), Critical},
			"header null":               {i.sign(t, `null`, claims), Malformed},
			"header a list":             {i.sign(t, `[]`, claims), Malformed},
			"two parts":                 {header + "." + body, Malformed},
			"four parts":                {good + ".", Malformed},
			"five parts, encrypted":     {good + "." + body + "." + signature, Malformed},
			"padding":                   {header + "." + body + "." + signature + "==", Malformed},
			"space":                     {good + " ", Malformed},
			"base64, not for URLs":      {header + "." + body + ".+/" + signature[2:], Malformed},
			"dots":                      {"..", Malformed},
			"64 KiB":                    {strings.Repeat("x", 64<<10), TooLong},
			"64 KiB of dots":            {strings.Repeat(".", 64<<10), TooLong},
			"64 KiB that is signed":     {i.token(t, `{"exp":2000,"x":"`+strings.Repeat("x", 48<<10)+`"}`), TooLong},
			"none at all":               {"", Missing},
		}
		for other, o := range all {
			if other != algorithm {
				forged["signed as "+other] = struct {
					token string
					want  Fault
				}{o.token(t, claims), Algorithm}
				forged["signed as "+other+", which it denies"] = struct {
					token string
					want  Fault
				}{o.sign(t, `{"alg":"`+algorithm+`"}`, claims), Signature}
			}
		}
		for name, secret := range map[string][]byte{"the file as it is": i.file, "the file without its line break": i.file[:len(i.file)-1]} {
			if algorithm != "HS256" {
				confused := issuer{method: jwt.SigningMethodHS256, private: secret}
				forged["public key as HMAC secret: "+name] = struct {
					token string
					want  Fault
				}{confused.token(t, claims), Algorithm}
				forged["public key as HMAC secret, alg of the key: "+name] = struct {
					token string
					want  Fault
				}{confused.sign(t, `{"alg":"`+algorithm+`"}`, claims), Signature}
			}
		}
		if _, fault := k.Verify(good, second(1000)); fault != Valid {
			t.Fatalf("%s: %v", algorithm, fault)
		}
		for name, f := range forged {
			if g, fault := k.Verify(f.token, second(1000)); fault != f.want || g != nil {
				t.Errorf("%s, %s: %v, %v, want %v", algorithm, name, g, fault, f.want)
			}
		}
		for at := len(good) - len(signature); at < len(good); at++ { // in strict base64 each bit counts
			changed := []byte(good)
			if changed[at] ^= 1; changed[at] == '.' {
				continue
			}
			if _, fault := k.Verify(string(changed), second(1000)); fault != Signature && fault != Malformed {
				t.Errorf("%s, byte %d changed: %v", algorithm, at, fault)
			}
		}
	}
}

// Where the key is to be found, a token does not say.
func TestKeyInATokenDoesNotCount(t *testing.T) {
	i := issuers()["EdDSA"]
	for _, header := range []string{
		`{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}`,
		`{"alg":"EdDSA","jku":"http://127.0.0.1/","kid":"../../dev/null","x5u":"file:///etc/passwd","typ":"x"}`,
	} {
		if _, fault := i.key(t).Verify(i.sign(t, header, `{"exp":2000}`), second(1000)); fault != Valid {
			t.Errorf("%s: %v", header, fault)
		}
	}
}

func TestRoomsOfATokenArePatterns(t *testing.T) {
	for _, tt := range []struct{ pattern, yes, no string }{
		{"lobby", "lobby", "Lobby lobby1 lobb"},
		{"*", "a lobby ~", ""},
		{"team-*", "team- team-a team-a-b", "team a-team- teams-"},
		{"*-public", "-public a-public a-public-public", "public a-public- a-publi"},
		{"a*b*c", "abc aXbXc abcbc aabbcc", "ab acb abcd"},
		{"a**c", "ac abc", "a c"},
		{"*a*", "a ba ab bab", "b"},
		{"ab*bc", "abbc abXbc", "abc"},
		{"", "", "a"},
		{"[a-z]", "", "a"},
		{"?", "", "a"},
		{"*a*a*a*a*a*a*a*b", "aaaaaaab", strings.Repeat("a", 64)},
	} {
		g := &Grant{rooms: []string{"nothing", tt.pattern}}
		for _, room := range strings.Fields(tt.yes) {
			if !g.Allows(room) {
				t.Errorf("%s does not allow %s", tt.pattern, room)
			}
		}
		for _, room := range strings.Fields(tt.no) {
			if g.Allows(room) {
				t.Errorf("%s allows %s", tt.pattern, room)
			}
		}
	}
	if (&Grant{}).Allows("lobby") {
		t.Error("an empty list allows a room")
	}
}

func TestFaultsSayNothingOfATokenAndHaveAWordEach(t *testing.T) {
	for f := Missing; f < Faults; f++ {
		if f.Word() == "" || f.String() == "" || strings.ContainsAny(f.String(), "\n\r%") {
			t.Errorf("%d: %q, %q", f, f.Word(), f.String())
		}
	}
}

func FuzzToken(f *testing.F) {
	fuzzcorpus.Add(f)
	for _, i := range issuers() {
		f.Add(i.token(f, `{"sub":"a","name":"b","rooms":["c","*"],"say":false,"exp":2000,"nbf":1}`), `{"exp":"2000"}`)
	}
	f.Add("a.b.c", `{"exp":1e999,"rooms":[null]}`)
	f.Add("", "")
	i := issuers()["HS256"]
	signing := i.key(f)
	var keys []*Key
	for _, i := range issuers() {
		keys = append(keys, i.key(f))
	}
	f.Fuzz(func(t *testing.T, token, claims string) {
		now := second(1000)
		for _, k := range keys {
			if g, fault := k.Verify(token, now); (g != nil) != (fault == Valid) || fault >= Faults {
				t.Fatalf("%s: %v, %d", k.Algorithm, g, fault)
			}
		}
		g, fault := signing.Verify(i.token(t, claims), now)
		if g == nil {
			if fault == Valid || fault == Signature || fault == Algorithm || fault == Critical {
				t.Fatalf("%q, signed: %v", claims, fault)
			}
			return
		}
		var said map[string]any
		if err := json.Unmarshal([]byte(claims), &said); err != nil {
			t.Fatalf("%q: %+v, %v", claims, g, err)
		}
		exp, _ := said["exp"].(float64)
		subject, _ := said["sub"].(string)
		say, restrained := said["say"].(bool)
		_, some := said["rooms"].([]any)
		if g.Expires <= now.UnixMilli() || g.Expires != int64(math.Floor(exp*1000)) || g.Subject != subject || g.Say != (say || !restrained) || g.anyRoom == some {
			t.Fatalf("%q: %+v", claims, g)
		}
	})
}
