package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"
)

// entry is a line of JSON.
func entry(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(line, &e); err != nil || bytes.Count(line, []byte("\n")) != 1 {
		t.Fatalf("%v: %q", err, line)
	}
	return e
}

func TestJSONHasTheTextOfTheTextFormat(t *testing.T) {
	var line bytes.Buffer
	log := slog.New(JSON.Handler(&line, slog.LevelInfo))
	log.Debug("left out")
	log.Info("said", "addr", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}, "source", netip.MustParseAddrPort("[::1]:2"),
		"took", 10*time.Second, "count", 3, "err", errors.New("failed\nthus"), "cause", []int{1}, "fast", true)
	e := entry(t, line.Bytes())
	for key, want := range map[string]any{"level": "INFO", "msg": "said", "addr": "127.0.0.1:80", "source": "[::1]:2",
		"took": "10s", "count": 3., "err": "failed\nthus", "cause": "[1]", "fast": true} {
		if e[key] != want {
			t.Errorf("%s is %v, want %v", key, e[key], want)
		}
	}
	if _, err := time.Parse(time.RFC3339, e["time"].(string)); err != nil {
		t.Error(err)
	}
}

func TestLostLinesAreToldInTheFormatOfTheOthers(t *testing.T) {
	if line := Text.lostLines()(7); !lostLines.Match(bytes.TrimSpace(line)) {
		t.Errorf("%q", line)
	}
	tell := JSON.lostLines()
	tell(7)
	if e := entry(t, tell(8)); e["msg"] != "log lines lost" || e["count"] != 8. || e["level"] != "WARN" {
		t.Errorf("%v", e)
	}
}

func TestFailureIsOneLine(t *testing.T) {
	var line bytes.Buffer
	Text.Failure(&line, errors.New("no port"))
	if line.String() != "chatd: no port\n" {
		t.Errorf("%q", &line)
	}
	line.Reset()
	JSON.Failure(&line, errors.New("no port"))
	if e := entry(t, line.Bytes()); e["err"] != "no port" || e["level"] != "ERROR" {
		t.Errorf("%v", e)
	}
}
