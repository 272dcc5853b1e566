package soak

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestCountsThatDoNotGoOnAreFound(t *testing.T) {
	drops := `chatd_dropped_total{reason="slow_consumer"}`
	before := Snapshot{"chatd_messages_total": 7, drops: 1, "chatd_members": 9, "go_gc_cycles_total": 5}
	for name, tt := range map[string]struct {
		change func(Snapshot)
		cut    int
		says   string
	}{
		"all is well":                      {func(Snapshot) {}, 0, ""},
		"what is no count of the server's": {func(s Snapshot) { s["chatd_members"], s["go_gc_cycles_total"] = 3, 1 }, 0, ""},
		"one has begun again":              {func(s Snapshot) { s["chatd_messages_total"] = 6 }, 0, "chatd_messages_total does not go on: 6 after 7"},
		"one is missing":                   {func(s Snapshot) { delete(s, drops) }, 0, drops + " does not go on"},
		"a sleeper is cut off":             {func(Snapshot) {}, 1, "cut off: 1, of whom 0 were dropped"},
		"one was dropped":                  {func(s Snapshot) { s[drops]++ }, 1, ""},
		"one was, and another was not":     {func(s Snapshot) { s[drops]++ }, 2, "cut off: 2, of whom 1 were dropped"},
	} {
		after := maps.Clone(before)
		tt.change(after)
		if err := went(before, after, tt.cut); (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One who sleeps reads nothing, not even that he is cut off.
func TestSleeperThatIsCutOffIsFound(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := newCrowd(Addr{Plain: netip.MustParseAddrPort(ln.Addr().String())})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	cl, err := c.connect(0, 0, manner{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.do(func() {
		<-c.permits
		cl.stage = open
		cl.sleep()
	})
	l := counting(t, 1, func(int) int { return 1 })
	l.crowd = c
	l.server = &Server{Upgrade: func() error { return nil }}
	l.upgrade(t.Context())
	if u := l.evidence.Upgrades; u.Asked != 1 || u.Faults != nil {
		t.Fatalf("%+v", u)
	}
	l.server.Upgrade = func() error {
		conn.Close()
		return c.await(patience, func() bool { return !cl.connected() })
	}
	l.upgrade(t.Context())
	if u := l.evidence.Upgrades; u.Asked != 2 || len(u.Faults) != 1 || !strings.Contains(u.Faults[0], "cut off: 1") {
		t.Errorf("%+v", u)
	}
}

func TestOnlyAnUpgradeMayCutAHandshakeOfTLSOff(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := newCrowd(Addr{TLS: netip.MustParseAddrPort(ln.Addr().String())})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, upgrades := range []bool{false, true} {
		if _, err := c.connect(0, 0, manner{secure: true}); err != nil {
			t.Fatal(err)
		}
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if upgrades {
			c.upgrades.begun.Add(1)
		}
		conn.Close()
		c.shakes.Wait()
		c.do(func() {
			if parted := c.tally.Parted == 1; parted != upgrades || len(c.tally.Faults) != 1 {
				t.Errorf("upgrade %v: %+v", upgrades, c.tally)
			}
		})
	}
}

func TestUpgradeThatIsNotDoneIsAFault(t *testing.T) {
	c, _ := newTalk(t)
	l := counting(t, 0, func(int) int { return 1 })
	l.crowd = c
	l.server = &Server{Upgrade: func() error { return errors.New("refused") }}
	l.upgrade(t.Context())
	if u := l.evidence.Upgrades; u.Asked != 1 || len(u.Faults) != 1 || u.Faults[0] != "refused" {
		t.Errorf("%+v", u)
	}
	over, stop := context.WithTimeout(t.Context(), -time.Second)
	defer stop()
	l.upgrade(over)
	if u := l.evidence.Upgrades; u.Asked != 1 {
		t.Errorf("%d, where none may be", u.Asked)
	}
}
