package identity

import (
	"testing"

	"chatd/room/carry/carrytest"
)

func TestSessionsStayGoodWhoeverMadeTheSecret(t *testing.T) {
	carrytest.Fields(t, Secrets{}, carrytest.Carried("random"), carrytest.Rebuilt("signers", "of the secrets that are given, and the random one"))
	next := func(before, after *Secrets) *Secrets {
		r := carrytest.Read(t, before.Carry)
		after.Restore(r)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		return after
	}
	good := func(when string, s *Secrets, session string) {
		t.Helper()
		if id, ok := s.ID(session); !ok || id != "c1" {
			t.Errorf("%s: %q, %v", when, id, ok)
		}
		if id, ok := s.ID(s.Session("c1")); !ok || id != "c1" {
			t.Errorf("%s: its own: %q, %v", when, id, ok)
		}
	}
	random, given := New(), New("a secret of the test's", "another one of it")
	session := random.Session("c1")
	second := next(random, New())
	good("random", second, session)
	if second.Session("c1") != session || second.TokenID("t") != random.TokenID("t") {
		t.Error("another signs now")
	}
	good("random, twice", next(second, New()), session)

	now := next(second, New("a secret of the test's"))
	good("given now", now, session)
	good("given now", now, given.Session("c1"))
	if now.Session("c1") == session {
		t.Error("the random one still signs")
	}
	good("given then, random before", next(now, New("a secret of the test's")), session)
	good("given no more", next(now, New()), session)

	good("given", next(given, New("another one of it", "a third of the test's")), New("another one of it").Session("c1"))
	if _, ok := next(given, New()).ID(given.Session("c1")); ok {
		t.Error("a secret that was given is carried")
	}
}
