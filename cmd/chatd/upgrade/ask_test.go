package upgrade

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"chatd/room/carry/carrytest"
)

func TestWhoAsksAtTheWrongDoorIsToldSo(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no process":      {[]string{"-pid", "999999999"}, exitFailed, "there is no process 999999999"},
		"another program": {[]string{"-pid", "1"}, exitFailed, "process 1 is no server of chatd"},
		"itself":          {[]string{"-pid", fmt.Sprint(os.Getpid())}, exitFailed, "is no server of chatd"},
		"no number":       {[]string{"-pid", "x"}, exitUsage, "invalid value"},
		"less than none":  {[]string{"-pid", "-1"}, exitUsage, "-pid is -1"},
		"two programs":    {[]string{"a", "-pid"}, exitUsage, `unexpected argument "-pid"`},
	} {
		if said := command(t, tt.status, tt.args...); !strings.HasPrefix(said, "chatd upgrade: ") || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %s", name, said)
		}
	}
	if said := command(t, exitDone, "-help"); !strings.Contains(said, "Usage:") || !strings.Contains(said, "-pid") {
		t.Error(said)
	}
}

func TestTheOnlyServerIsMeantIfNobodySaysWhich(t *testing.T) {
	if _, err := only(nil, nil); err == nil || !strings.Contains(err.Error(), "no chatd") {
		t.Error(err)
	}
	if pid, err := only([]running{{7, "chatd"}}, nil); err != nil || pid != 7 {
		t.Error(pid, err)
	}
	if _, err := only([]running{{7, "chatd"}, {8, "chatd -addr :1"}}, nil); err == nil || !strings.Contains(err.Error(), "\n  8\tchatd -addr :1") {
		t.Error(err)
	}
}

func TestServersAreFound(t *testing.T) {
	t.Parallel()
	p := start(t, "exec")
	all, err := servers()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.pid == p.pid() {
			return
		}
	}
	t.Errorf("process %d is not among %v", p.pid(), all)
}

func TestOneAtATimeAsks(t *testing.T) {
	t.Parallel()
	p := start(t, "exec")
	ln, err := net.ListenUnix("unix", address(p.pid()))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if said := p.ask(exitFailed); !strings.Contains(said, "somebody else is asking") {
		t.Error(said)
	}
}

// Who asks while an upgrade is under way is told what became of that one.
func TestLateAskerIsToldTheSame(t *testing.T) {
	u := New(Config{Log: slog.New(slog.DiscardHandler), Tell: func(string) {}})
	ln, err := net.ListenUnix("unix", address(os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	answers := make(chan Result, 1)
	go func() {
		defer close(answers)
		conn, err := called(ln, os.Getpid())
		if err != nil {
			return
		}
		defer conn.Close()
		var r Result
		if json.NewEncoder(conn).Encode(request{}) == nil && json.NewDecoder(conn).Decode(&r) == nil {
			answers <- r
		}
	}()
	want := Result{Outcome: Done, Carried: 7, Unserved: time.Second}
	u.end(want)
	u.Answer()
	if got := <-answers; got != want {
		t.Errorf("%+v", got)
	}
}

func TestCountsGoOn(t *testing.T) {
	carrytest.Fields(t, Totals{}, carrytest.Carried("Of"),
		carrytest.Rebuilt("Unserved", "the upgrade itself says it anew"),
		carrytest.Rebuilt("Carried", "so it does that"), carrytest.Rebuilt("Left", "and that"))
}
