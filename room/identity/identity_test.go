package identity

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"chatd/room/fuzzcorpus"
)

func TestIDsAreShortPublicWordsThatNeverRepeat(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := NewID()
		if seen[id] || !regexp.MustCompile(`^[a-z0-9]{16}$`).MatchString(id) {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

func TestSessionProvesItsIDAndNoOther(t *testing.T) {
	s := New("a secret of the test's")
	id := NewID()
	session := s.Session(id)
	if got, ok := s.ID(session); !ok || got != id {
		t.Fatalf("%q proves %q, %v, want %q", session, got, ok, id)
	}
	if again := s.Session(id); again != session {
		t.Errorf("%q, then %q", session, again)
	}
	other := NewID()
	_, proof, _ := strings.Cut(session[len(format):], ".")
	for name, forged := range map[string]string{
		"empty":                 "",
		"the id alone":          id,
		"another id":            format + other + "." + proof,
		"no id":                 format + "." + proof,
		"without a proof":       format + id + ".",
		"nor a dot":             format + id,
		"proof cut off":         session[:len(session)-4],
		"something behind":      session + "A",
		"a line break in it":    session[:40] + "\n" + session[40:],
		"padded":                session + "=",
		"another version":       "2" + session[1:],
		"no version":            session[len(format):],
		"capitals":              strings.ToUpper(session),
		"another secret's":      New("another secret").Session(id),
		"a random secret's":     New().Session(id),
		"the empty secret's":    New("").Session(id),
		"the id's hash is zero": format + id + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
	} {
		if got, ok := s.ID(forged); ok || got != "" {
			t.Errorf("%s: %q proves %q", name, forged, got)
		}
	}
}

func TestASecretFollowsAnotherWithoutASessionBecomingVoid(t *testing.T) {
	id := NewID()
	old, both, next := New("the old one"), New("the next one", "the old one"), New("the next one")
	if got, ok := both.ID(old.Session(id)); !ok || got != id {
		t.Errorf("what the old one signed proves %q, %v", got, ok)
	}
	if got, ok := next.ID(both.Session(id)); !ok || got != id {
		t.Errorf("the first does not sign: %q, %v", got, ok)
	}
	if _, ok := next.ID(old.Session(id)); ok {
		t.Error("a secret that is gone still verifies")
	}
}

func TestIDOfAnyCharactersIsProven(t *testing.T) {
	s := New()
	for _, id := range []string{"", ".", "a.b.", "user@example.com", "Ünï\x00\xff", strings.Repeat("x", 1000)} {
		if got, ok := s.ID(s.Session(id)); !ok || got != id {
			t.Errorf("%q proves %q, %v", id, got, ok)
		}
	}
}

func FuzzSession(f *testing.F) {
	fuzzcorpus.Add(f)
	s := New("the first secret", "the second secret")
	f.Add(s.Session("c7k2qv4mxw3hzp6d"), "c7k2qv4mxw3hzp6d")
	f.Add("1.a.b.", "a.b")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, session, id string) {
		if got, ok := s.ID(session); ok && s.Session(got) != session && New("the second secret").Session(got) != session {
			t.Fatalf("%q proves %q", session, got)
		}
		if got, ok := s.ID(s.Session(id)); !ok || got != id {
			t.Fatalf("the session of %q proves %q, %v", id, got, ok)
		}
	})
}
