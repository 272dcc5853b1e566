package check

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"chatd/cmd/chatd/certs/certstest"
)

func TestExitStatusTellsWhetherTheHostHoldsThem(t *testing.T) {
	small := host(t, map[string]string{"proc/sys/fs/file-max": "1164\n"}) // 100 of them free
	busy := host(t, map[string]string{"proc/sys/fs/file-max": "1164\n", "proc/7/comm": "chatd\n", "proc/7/fd/3": "", "proc/7/fd/4": ""})
	broken := host(t, map[string]string{"proc/sys/fs/file-max": "?\n"})
	for _, c := range []struct {
		root   string
		args   string
		status int
		out    string // of what is printed
		err    string
	}{
		{small, "", exitHolds, "This host holds about 100 idle connections. The first wall: fs.file-max.", ""},
		{small, "-conns 100", exitHolds, "about 100 idle", ""},
		{small, "-conns 101", exitTooFew, "To hold 101:\n  sysctl -w fs.file-max=1165\n", "101 connections are too many: this host holds about 100 idle connections"},
		{busy, "-conns 102", exitHolds, "This host holds about 102 idle connections, with the 2 descriptors that chatd has now. The first wall: fs.file-max.", ""},
		{busy, "-conns 103", exitTooFew, "To hold 103:\n  sysctl -w fs.file-max=1165\n", "103 connections are too many"},
		{small, "-help", exitHolds, "-conns number", ""},
		{small, "-conns -1", exitUnknown, "", "must be from 0"},
		{small, "-conns 9223372036854775807", exitUnknown, "", "must be from 0"},
		{small, "-conns many", exitUnknown, "", "-conns"},
		{small, "now", exitUnknown, "", `unexpected argument "now"`},
		{small, "-fast", exitUnknown, "", "-fast"},
		{broken, "", exitUnknown, "", "fs.file-max"},
	} {
		var out, errs bytes.Buffer
		if got := run(c.root, strings.Fields(c.args), &out, &errs); got != c.status {
			t.Errorf("check %s: exit status %d, want %d", c.args, got, c.status)
		}
		if !strings.Contains(out.String(), c.out) || c.out == "" && out.Len() > 0 {
			t.Errorf("check %s: printed\n%swant %q", c.args, out.String(), c.out)
		}
		line := errs.String()
		if c.err == "" && line != "" || !strings.Contains(line, c.err) || strings.Count(line, "\n") > 1 {
			t.Errorf("check %s: error %q, want a line with %q", c.args, line, c.err)
		}
	}
}

func TestCheckOfThisHost(t *testing.T) {
	var out, errs bytes.Buffer
	if status := Run([]string{"-conns", "1"}, &out, &errs); status != exitHolds {
		t.Fatalf("exit status %d: %s", status, errs.String())
	}
	t.Log("\n" + out.String())
}

func TestCheckOfACertificate(t *testing.T) {
	dir, now, ca := t.TempDir(), time.Now(), certstest.New()
	good, goodKey := ca.Pair("good.example").Write(dir, "good")
	over, overKey := ca.Between(now.Add(-2*time.Hour), now.Add(-time.Hour), "over.example").Write(dir, "over")
	for _, c := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-tls-cert", good, "-tls-key", goodKey}, exitHolds, "good.pem  good.example  "},
		{[]string{"-tls-cert", over, "-tls-key", overKey}, exitTooFew, "over.pem: it has expired: clients refuse it\n"},
		{[]string{"-tls-cert", good, "-tls-key", overKey}, exitUnknown, "private key does not match public key"},
		{[]string{"-tls-cert", good}, exitUnknown, "-tls-cert has no -tls-key"},
		{[]string{"-acme-domain", "a.example", "-acme-cache", dir}, exitTooFew, "there is no certificate for a.example yet"},
	} {
		var out, errs bytes.Buffer
		if got := run("/", c.args, &out, &errs); got != c.status || !strings.Contains(out.String()+errs.String(), c.says) {
			t.Errorf("check %s: exit status %d, want %d, and %q in\n%s%s", c.args, got, c.status, c.says, &out, &errs)
		}
	}
}
