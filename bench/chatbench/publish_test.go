package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/bench/load"
	"chatd/bench/result"
)

// asPublishers makes the scenario one of 3 publishers, who have a token.
func asPublishers(t *testing.T, s *scenario) {
	t.Helper()
	s.params.Senders, s.params.Rate, s.params.Outstanding = 3, 0, 0
	s.duration, s.header = 300*time.Millisecond, http.Header{"Authorization": {"Bearer secret"}}
	var err error
	if s.target, err = load.NewTarget(s.url, s.dialect, s.header); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsAcknowledgedToPublishersIsWhatMembersHear(t *testing.T) {
	t.Parallel()
	tokens := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(tokens, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := builtChatd(t)
	for _, tt := range []struct {
		dialect string
		rooms   int
		rate    float64
	}{{load.Chat, 1, 0}, {load.Chat, 2, 0}, {load.Events, 1, 0}, {load.Events, 1, 100}} {
		s := withServer(t, program+" -api-token-file "+tokens, tt.dialect)
		asPublishers(t, s)
		s.params.Rooms, s.params.Rate = tt.rooms, tt.rate
		run, err := s.run(t.Context(), "publish", "chatd")
		if err != nil || run.Faults.Any() || len(complaints(run)) > 0 {
			t.Fatalf("%+v: %v %+v %v", tt, err, run.Faults, run.Warnings)
		}
		if p := run.Publish; run.Messages == 0 || p.PerSecond <= 0 || p.Latency == nil || run.Delivery == nil || tt.rate > 0 && p.PerSecond > 1.5*tt.rate {
			t.Errorf("%+v: %d messages, %+v", tt, run.Messages, p)
		}
		var out strings.Builder
		printRun(&out, run)
		for _, want := range []string{"by 3 publishers", "a publish", "0 misnumbered"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, out.String())
			}
		}
	}
}

func TestFaultsOfPublishingAreReportedAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	for fault, tt := range map[string]struct {
		want func(result.Faults) bool // besides which nothing may be wrong
		rest func(*result.Faults)
		says string
	}{
		"none":      {func(result.Faults) bool { return true }, func(*result.Faults) {}, ""},
		"is behind": {func(result.Faults) bool { return true }, func(*result.Faults) {}, ""},
		"acknowledges what it loses": {func(f result.Faults) bool { return f.Lost >= 20 && f.Misnumbered >= 1 },
			func(f *result.Faults) { f.Lost, f.Misnumbered = 0, 0 }, "not heard under the number"},
		"acknowledges another number": {func(f result.Faults) bool { return f.Misnumbered >= 1 },
			func(f *result.Faults) { f.Misnumbered, f.Corrupt = 0, 0 }, "not heard under the number"},
		"refuses what it says": {func(f result.Faults) bool { return f.Duplicated >= 20 && f.Corrupt >= 1 },
			func(f *result.Faults) { f.Duplicated, f.Corrupt = 0, 0 }, "that was not acknowledged"},
	} {
		t.Run(fault, func(t *testing.T) {
			run, _, _, err := against(t, "chat: "+fault, "publish", func(s *scenario) {
				s.dialect = load.Chat
				asPublishers(t, s)
			})
			if err != nil {
				t.Fatal(err)
			}
			rest := run.Faults
			tt.rest(&rest)
			if all := strings.Join(run.Warnings, "\n"); !tt.want(run.Faults) || rest.Any() || !strings.Contains(all, tt.says) {
				t.Errorf("%+v\n%s", run.Faults, all)
			}
			if (run.Publish.Refused > 0) != (fault == "is behind" || fault == "refuses what it says") {
				t.Errorf("%+v", run.Publish)
			}
		})
	}
}

func TestPublishersWithoutATokenAreTold(t *testing.T) {
	t.Parallel()
	_, _, _, err := against(t, "chat: none", "publish", func(s *scenario) {
		s.dialect = load.Chat
		asPublishers(t, s)
		s.header = nil
	})
	if err == nil || !strings.Contains(err.Error(), "401 Unauthorized: who are you?") {
		t.Error(err)
	}
}
