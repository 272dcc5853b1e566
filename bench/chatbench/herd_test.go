package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"chatd/bench/certificate"
	"chatd/bench/load"
	"chatd/bench/result"
)

// smallHerd makes the scenario one of 20 clients that are cut and 10 that are not.
func smallHerd(s *scenario) {
	s.dialect, s.params.Staying, s.params.Missed = load.Chat, 10, 20
	s.params.Rate, s.warmup, s.patience = 200, 300*time.Millisecond, time.Minute
}

func TestHerdIsCaughtUpAndNothingIsMissing(t *testing.T) {
	t.Parallel()
	for _, rooms := range []int{1, 3} {
		run, _, _, err := against(t, "chat: none", "herd", func(s *scenario) {
			smallHerd(s)
			s.params.Rooms, s.params.Senders = rooms, rooms
		})
		if err != nil || run.Faults.Any() || len(complaints(run)) > 0 {
			t.Fatalf("%d rooms: %v %+v %v", rooms, err, run.Faults, run.Warnings)
		}
		h := run.Herd
		if h.CaughtUp <= 0 || h.CaughtUp > run.Seconds || h.Each == nil || h.Each.Max > h.CaughtUp*1001 || h.Calm == nil || h.CPU == nil || h.RSSBefore == 0 || h.RSSPeak == 0 {
			t.Errorf("%d rooms: %+v in %g s", rooms, h, run.Seconds)
		}
		// Each that came back heard what it missed.
		if least := uint64(20 * 20); run.Deliveries < least {
			t.Errorf("%d rooms: %d deliveries while they came back", rooms, run.Deliveries)
		}
		var out strings.Builder
		printRun(&out, run)
		for _, want := range []string{"herd (chat) against", "caught up", "in an equal time without", "MiB added", "0 misnumbered, 0 gaps"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, out.String())
			}
		}
	}
}

func TestFaultsAtTheSeamAreReportedAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	const herd = 20 // to each of which it happens
	for _, tt := range []struct {
		fault string
		want  result.Faults
		says  string
	}{
		{"loses the first missed", result.Faults{Lost: herd}, ""},
		{"loses the last missed", result.Faults{Lost: herd}, ""},
		{"repeats at the seam", result.Faults{Duplicated: herd}, ""},
		{"repeats the last missed", result.Faults{Duplicated: herd}, ""},
		{"swaps at the seam", result.Faults{Disordered: herd, OrderDiffers: 1}, ""}, // or more: where they were cut is chance
		{"tells of a gap", result.Faults{Gaps: herd}, "a gap: 1 to"},
		{"forgets one", result.Faults{}, "only 19 of 20 clients came back"},
		{"lets nobody back", result.Faults{Disconnected: herd}, "upgrade refused: 503 Service Unavailable: you were here before"},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			run, _, _, err := against(t, "chat: "+tt.fault, "herd", func(s *scenario) {
				smallHerd(s)
				s.patience = 2 * time.Second // for whom they wait in vain
			})
			if err != nil {
				t.Fatal(err)
			}
			if tt.fault == "forgets one" { // all that came since is lost to it
				if run.Faults.Lost < 20 || run.Herd.CaughtUp > 0 {
					t.Errorf("%+v, all caught up in %g s", run.Faults, run.Herd.CaughtUp)
				}
				run.Faults.Lost = 0
			}
			if run.Faults.OrderDiffers > 0 {
				run.Faults.OrderDiffers = 1
			}
			if all := strings.Join(run.Warnings, "\n"); run.Faults != tt.want || !strings.Contains(all, tt.says) {
				t.Errorf("%+v, not %+v\n%s", run.Faults, tt.want, all)
			}
		})
	}
}

func TestMembersThatAreNumberedAsMessagesAreFound(t *testing.T) {
	t.Parallel()
	run, _, _, err := against(t, "chat: counts members", "fanout", func(s *scenario) { s.dialect = load.Chat })
	if err != nil {
		t.Fatal(err)
	}
	rest := run.Faults
	rest.Misnumbered = 0
	if n := run.Faults.Misnumbered; n < 20 || rest.Any() || !strings.Contains(strings.Join(run.Warnings, "\n"), "though nothing is missing") {
		t.Errorf("%+v %v", run.Faults, run.Warnings)
	}
}

func TestServerThatDoesNotSpeakTheDialectIsTold(t *testing.T) {
	t.Parallel()
	for fault, says := range map[string]string{
		"chat: does not speak it":        "the server does not speak chat.v1",
		"chat: sends before the welcome": "an event before the welcome",
	} {
		_, _, _, err := against(t, fault, "fanout", func(s *scenario) { s.dialect = load.Chat })
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", fault, err)
		}
	}
}

func TestEveryScenarioSpeaksChat(t *testing.T) {
	t.Parallel()
	for name := range scenarios {
		if name == "ramp" || name == "rooms" || name == "publish" { // they are fan-outs, or need a token
			continue
		}
		t.Run(name, func(t *testing.T) {
			run, _, _, err := against(t, "chat: none", name, func(s *scenario) {
				smallHerd(s)
				s.duration, s.params.Rooms, s.params.Senders = 300*time.Millisecond, 2, 2
			})
			if err != nil || run.Faults.Any() {
				t.Fatalf("%v %+v %v", err, run.Faults, run.Warnings)
			}
			if run.Deliveries > 0 && (run.FrameBytes < 64+100 || run.FrameBytes > 64+200) {
				t.Errorf("%g bytes a delivery", run.FrameBytes)
			}
		})
	}
}

func TestHerdComesBackToChatd(t *testing.T) {
	t.Parallel()
	comesBack(t, builtChatd(t), load.Chat, comebacks...)
}

func TestReadersOfEventsComeBackToChatd(t *testing.T) {
	t.Parallel()
	comesBack(t, builtChatd(t), load.Events, comebacks...)
}

func TestHerdComesBackToChatdByTLS(t *testing.T) {
	t.Parallel()
	program := certified(t, builtChatd(t))
	for _, dialect := range []string{load.Chat, load.Events} {
		comesBack(t, program, dialect, comebacks[2])
	}
}

func TestClientsOfEveryDialectHearAllByTLS(t *testing.T) {
	t.Parallel()
	program := certified(t, builtChatd(t))
	for _, of := range []struct{ dialect, scenario string }{
		{load.Raw, "fanout"}, {load.Raw, "flood"}, {load.Raw, "stuck"}, {load.Chat, "flood"}, {load.Events, "flood"},
	} {
		s := withServer(t, program, of.dialect)
		s.params.Outstanding, s.params.StuckClients = 4, 5
		run, err := s.run(t.Context(), of.scenario, "chatd")
		if err != nil || run.Faults.Any() || len(complaints(run)) > 0 || run.Deliveries == 0 {
			t.Errorf("%s, %s: %v %+v %v, %d deliveries", of.dialect, of.scenario, err, run.Faults, run.Warnings, run.Deliveries)
		}
	}
}

func TestHerdComesBackToCentrifuge(t *testing.T) {
	t.Parallel()
	comesBack(t, built(t, "../peers", "./centrifuge"), load.Centrifuge, comebacks...)
}

// comeback is how much a herd missed that comes back.
type comeback struct {
	history string
	rate    float64
	missed  int
	gaps    uint64
}

var comebacks = []comeback{
	{"1000", 200, 20, 0},
	{"5", 200, 20, 20},
	{"5000", 300, 900, 0}, // more than is read at once, in a frame
}

// comesBack has a herd come back to a server, so often.
func comesBack(t *testing.T, program, dialect string, times ...comeback) {
	for _, tt := range times {
		s := withServer(t, program+" -history "+tt.history, dialect)
		smallHerd(s)
		s.dialect, s.params.Rate, s.params.Missed = dialect, tt.rate, tt.missed
		run, err := s.run(t.Context(), "herd", "the server")
		if err != nil || run.Faults.Gaps != tt.gaps || run.Faults.Any() != (tt.gaps > 0) {
			t.Fatalf("history of %s: %v %+v %v", tt.history, err, run.Faults, run.Warnings)
		}
		if tt.gaps == 0 && (run.Herd.CaughtUp == 0 || run.Herd.Calm == nil) {
			t.Errorf("%+v", run.Herd)
		}
	}
}

// certified is a server's command with the flags for TLS.
func certified(t *testing.T, command string) string {
	t.Helper()
	cert, err := certificate.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return withTLS(command, cert)
}

// withServer is a scenario of 20 clients with a server that is started for it, by TLS if
// it has a certificate.
func withServer(t *testing.T, command, dialect string) *scenario {
	t.Helper()
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	scheme := "ws"
	if strings.Contains(command, "-tls-cert") {
		scheme = "wss"
	}
	s := &scenario{params: result.Params{Clients: 20, Senders: 1, MessageBytes: 64, Rate: 200}, url: scheme + "://" + addr + "/ws", dialect: dialect, share: 1000,
		duration: 300 * time.Millisecond, warmup: 50 * time.Millisecond, progress: newProgress(os.NewFile(^uintptr(0), ""), "")}
	server, err := startServer(t.Context(), command+" -addr "+addr, s.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.stop)
	if s.server, err = findProcess(server.cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if s.target, err = load.NewTarget(s.url, dialect, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDialectIsComparedWithRawFramesOfTheSameLength(t *testing.T) {
	t.Parallel()
	run, _, _, err := against(t, "chat: none", "rooms", func(s *scenario) {
		small(versusRaw)(s)
		s.dialect = load.Chat
	})
	if err != nil || run.Faults.Any() || len(run.Rooms.Pairs) != 2 {
		t.Fatalf("%v %+v %v", err, run.Faults, run.Warnings)
	}
	for _, p := range run.Rooms.Pairs {
		if p.Base.Dialect != "" || p.Against.Dialect != load.Chat || p.Base.PerMessage == nil || p.Against.PerMessage == nil {
			t.Errorf("%+v against %+v", p.Base, p.Against)
		}
		if d := p.Base.FrameBytes - p.Against.FrameBytes; d < -2 || d > 2 || p.Base.FrameBytes < 64+100 {
			t.Errorf("frames of %g bytes against %g", p.Base.FrameBytes, p.Against.FrameBytes)
		}
	}
}
