package streams

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	order "chatd/room/order/jetstream"
	"chatd/room/order/natstest"
)

// run is "chatd nats" with these arguments.
func run(t *testing.T, args string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = Run(strings.Fields(args), &o, &e)
	return status, o.String(), e.String()
}

// expect fails if the command does not end so, or what it says does not contain this.
func expect(t *testing.T, args string, status int, says ...string) {
	t.Helper()
	got, out, errs := run(t, args)
	if got != status {
		t.Errorf("%s: exit status %d, want %d", args, got, status)
	}
	for _, s := range says {
		if !strings.Contains(out+errs, s) {
			t.Errorf("%s: does not say %q:\n%s%s", args, s, out, errs)
		}
	}
}

func TestStreamsAreMadeAndShown(t *testing.T) {
	url := natstest.Start(t).URL
	flags := " -nats-partitions 2 -nats " + url
	expect(t, "show"+flags, exitFailed, "chat-0  not there", "2 streams are not there: chatd makes them when it starts, or chatd nats init", "2 of 2 streams")
	expect(t, "init"+flags, exitWell, "chat-0 made\nchat-1 made\n")
	expect(t, "init"+flags, exitWell, "chat-0 is as it must be\n")
	expect(t, "show"+flags, exitWell, "chat-1", "24h1m0s")
	expect(t, "show -history 7"+flags, exitWell, "keeps 200 messages of a room, twice -history is 14: chatd nats init")
	expect(t, "init -history 7"+flags, exitWell, "chat-0 changed\nchat-1 changed\n")
	expect(t, "show -nats "+url, exitFailed, "WRONG: stream chat-0 is one of 2, not of 16: start chatd with -nats-partitions 2")
	expect(t, "init -nats "+url, exitFailed, "start chatd with -nats-partitions 2")

	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := Flags{URLs: URLs{url}, Partitions: 2}
	if wrong, err := Report(&out, &f); wrong != 0 || err != nil {
		t.Errorf("%d, %v:\n%s", wrong, err, &out)
	}
	if err := js.DeleteStream(t.Context(), "chat-1"); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if wrong, err := Report(&out, &f); wrong != 1 || err != nil || !strings.Contains(out.String(), "replicas that are possible: 1") {
		t.Errorf("%d, %v:\n%s", wrong, err, &out)
	}
	t.Log("\n" + out.String())
}

func TestCommandsSayWhatIsWrong(t *testing.T) {
	t.Setenv("CHATD_HISTORY", "5")
	for args, says := range map[string]string{
		"make":                             `"make" is none of its commands: init, show`,
		"init":                             "-nats is not given",
		"show -nats ftp://a":               "ftp:// is not known here",
		"show -nats a now":                 `unexpected argument "now"`,
		"show -nats a -nats-partitions -1": "-nats-partitions is -1",
		"-nats a":                          "none of its commands",
	} {
		expect(t, args, exitUsage, says)
	}
	expect(t, "", exitWell, "chatd nats init [flags]", "-nats-partitions")
	expect(t, "init -nats 127.0.0.1:1", exitFailed, "chatd nats: NATS at nats://127.0.0.1:1: ")
}

func TestWhatIsWrongWithNATSIsReportedOnce(t *testing.T) {
	var out bytes.Buffer
	wrong, err := Report(&out, &Flags{URLs: URLs{natstest.StartWithoutJetStream(t).URL}, Partitions: 1})
	if told := out.String(); wrong != 1 || err != nil || strings.Count(told, "JetStream is off") != 1 || strings.Contains(told, "replicas") || strings.Contains(told, "kept") {
		t.Errorf("%d, %v:\n%s", wrong, err, &out)
	}
	locked := natstest.Start(t, "--user", "chatd", "--pass", "right")
	for _, user := range []string{"", "chatd:wrong@"} {
		url := strings.Replace(locked.URL, "//", "//"+user, 1)
		if _, err := Report(&out, &Flags{URLs: URLs{url}, Partitions: 1}); err == nil || !strings.Contains(err.Error(), "these credentials are refused") || strings.Contains(err.Error(), "wrong") {
			t.Error(err)
		}
	}
	expect(t, "show -nats "+strings.Replace(locked.URL, "nats://", "tls://chatd:right@", 1), exitFailed, "it speaks no TLS")
}

func TestServersThatAreAwayAreTold(t *testing.T) {
	info := &jetstream.StreamInfo{Config: jetstream.StreamConfig{Replicas: 3}}
	var out bytes.Buffer
	wrong := printStates(&out, []order.State{
		{Name: "chat-0", Info: info, Away: []string{"n2", "n3"}, NoLeader: true},
		{Name: "chat-1", Info: info, Away: []string{"n3"}, Behind: []string{"n2"}},
		{Name: "chat-2", Info: info},
	})
	for _, line := range []string{
		"half or more of the servers of chat-0 are away",
		"the server n2 is away, which has copies of chat-0: start",
		"the server n3 is away, which has copies of chat-0, chat-1: start",
		"the server n2 has not all of chat-1 yet",
	} {
		if !strings.Contains(out.String(), "WRONG: "+line) {
			t.Errorf("%q is not told", line)
		}
	}
	if wrong != 2 {
		t.Errorf("%d are wrong:\n%s", wrong, &out)
	}
}
