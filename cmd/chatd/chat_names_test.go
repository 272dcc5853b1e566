package main

import (
	"strings"
	"testing"

	"chatd/room/chattest"
)

// names are what a name becomes; "!": it is none.
var names = map[string]string{
	"Ana": "Ana", " \t Ana\u00a0\n": "Ana", "Ana B.": "Ana B.", "a": "a", "😀": "😀", "עברית": "עברית",
	"e\u0301": "é", "\u212b": "Å", // NFC
	strings.Repeat("x", 32): strings.Repeat("x", 32), strings.Repeat("x", 33): "!",
	strings.Repeat("😀", 32): strings.Repeat("😀", 32), strings.Repeat("😀", 33): "!",
	strings.Repeat("e\u0301", 32): strings.Repeat("é", 32), strings.Repeat("e\u0301", 33): "!",
	"  " + strings.Repeat("x", 32) + "  ": strings.Repeat("x", 32),
	"a\x00b":                              "!", "a\nb": "!", "a\tb": "!", "a\x7fb": "!", "a\u0085b": "!",
	"a\u202eb": "!", "a\u202a": "!", "\u202bb": "!", "a\u202cb": "!", "a\u202db": "!",
	"a\u2066b": "!", "a\u2067b": "!", "a\u2068b": "!", "a\u2069b": "!",
	"👩\u200d🚀": "👩\u200d🚀", "<b>&\"'": "<b>&\"'",
	"   ": "",
}

func TestNames(t *testing.T) {
	addr := startChat(t)
	for given, want := range names {
		if want == "!" {
			want = "" // a bad one in the query gives none
		}
		c := dialChat(t, addr, chattest.Options{Name: given, Since: "now"})
		if c.Welcome.Name != want {
			t.Errorf("?name=%q is %q, want %q", given, c.Welcome.Name, want)
		}
		c.Close()
	}
	c := dialChat(t, addr, chattest.Options{Name: "before", Since: "now"})
	for given, want := range names {
		if want == "!" {
			c.refused("bad_name", event{"type": "name", "name": given})
			if e := c.says("x"); e.Name != "before" {
				t.Errorf("after the bad name %q it is %q", given, e.Name)
			}
		} else {
			c.tell(event{"type": "name", "name": given})
			if e := c.says("x"); e.Name != want {
				t.Errorf("%q is %q, want %q", given, e.Name, want)
			}
		}
		c.Close() // more than ten names a second are refused
		c = dialChat(t, addr, chattest.Options{Name: "before", Since: "now"})
	}
	for _, given := range []any{nil, 7, []string{"a"}, true} {
		c.refused("bad_event", event{"type": "name", "name": given})
	}
	c.refused("bad_event", event{"type": "name"})
	if e := c.says("x"); e.Name != "before" {
		t.Errorf("it is %q", e.Name)
	}
	c.tell(event{"type": "name", "name": ""})
	if e := c.says("x"); e.Name != "" {
		t.Errorf("cleared it is %q", e.Name)
	}
}

func TestNamesNeedNotBeUnique(t *testing.T) {
	addr := startChat(t)
	a, b := dialChat(t, addr, chattest.Options{Name: "Ana"}), dialChat(t, addr, chattest.Options{Name: "Ana"})
	if a.Welcome.Name != "Ana" || b.Welcome.Name != "Ana" || a.Welcome.ID == b.Welcome.ID {
		t.Errorf("%+v, %+v", a.Welcome, b.Welcome)
	}
}

func TestSessionKeepsTheID(t *testing.T) {
	addr := startChat(t, "-secret", "one secret of sixteen characters or more")
	elsewhere := startChat(t, "-secret", "another secret of sixteen characters or more")
	same := startChat(t, "-secret", "one secret of sixteen characters or more")
	c := dialChat(t, addr, chattest.Options{Name: "Ana"})
	id, session := c.Welcome.ID, c.Welcome.Session
	if len(id) < 4 || strings.Contains(c.says("x").Said(), session) {
		t.Errorf("%+v", c.Welcome)
	}
	for name, tt := range map[string]struct {
		addr, session string
		keeps         bool
	}{
		"while the first is there":     {addr, session, true},
		"of another chatd that shares": {same, session, true},
		"of another chatd":             {elsewhere, session, false},
		"none":                         {addr, "", false},
		"shortened":                    {addr, session[:len(session)-1], false},
		"lengthened":                   {addr, session + "A", false},
		"in capitals":                  {addr, strings.ToUpper(session), false},
		"the id alone":                 {addr, id, false},
		"garbage":                      {addr, strings.Repeat("\x00é%", 100), false},
	} {
		t.Run(name, func(t *testing.T) {
			d := dialChat(t, tt.addr, chattest.Options{Session: tt.session, Since: "now"})
			if (d.Welcome.ID == id) != tt.keeps || d.Welcome.Session == "" || (d.Welcome.Session == session) != tt.keeps {
				t.Errorf("%+v", d.Welcome)
			}
			if e := d.says("y"); e.ID != d.Welcome.ID {
				t.Errorf("it speaks as %s", e.ID)
			}
			if e := dialChat(t, tt.addr, chattest.Options{Session: d.Welcome.Session, Since: "now"}); e.Welcome.ID != d.Welcome.ID {
				t.Errorf("it was %s, and returns as %s", d.Welcome.ID, e.Welcome.ID)
			}
		})
	}
}
