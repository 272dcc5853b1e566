package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatd/bench/result"
)

// upgraded runs upgrades of a few clients, with more flags.
func upgraded(t *testing.T, more ...string) (run result.Run, out string, err error) {
	t.Helper()
	var b strings.Builder
	file := filepath.Join(t.TempDir(), "upgrade.json")
	err = command(&b).ParseAndRun(t.Context(), append([]string{"upgrade", "-clients", "90", "-rooms", "12", "-rate", "200", "-upgrades", "2", "-every", "0s", "-json", file}, more...))
	written, failed := os.ReadFile(file)
	if failed == nil {
		failed = json.Unmarshal(written, &run)
	}
	if failed != nil {
		t.Fatal(failed, err)
	}
	return run, b.String(), err
}

func TestUpgradesUnderLoad(t *testing.T) {
	t.Parallel()
	chatd := builtChatd(t)
	t.Run("cut nobody off and lose nothing", func(t *testing.T) {
		run, out, err := upgraded(t, "-server", chatd)
		if err != nil || len(run.Warnings) > 0 || len(run.Upgrades.Each) != 2 {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, one := range run.Upgrades.Each {
			if one.Carried != 90 || one.Left != 0 || one.Faults != 0 || one.Unserved <= 0 || one.Took < one.Unserved || one.Delivery == nil || one.Memory.Files < 90 {
				t.Errorf("%+v", one)
			}
		}
		if run.Messages == 0 || run.Deliveries < 7*run.Messages { // there are 7 clients in a room, or more
			t.Errorf("%d deliveries of %d messages", run.Deliveries, run.Messages)
		}
		for _, want := range []string{"upgrade against chatd, 90 clients in 12 rooms", "before ", "upgrade 2 ", "90 carried, 0 not; 0 faults"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	})
	t.Run("cut nobody off beside others that are stuck, lag, or are hostile", func(t *testing.T) {
		run, out, err := upgraded(t, "-server", chatd, "-stuck", "6", "-lagging", "6", "-hostile", "20")
		if err != nil || len(run.Upgrades.Each) != 2 {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, one := range run.Upgrades.Each {
			if one.Carried < 102 || one.Faults != 0 {
				t.Errorf("%+v", one)
			}
		}
	})
	t.Run("that cut somebody off are found", func(t *testing.T) {
		run, out, err := upgraded(t, "-server", chatd, "-next", cutting(t, chatd), "-dialects", "chat", "-tls", "50")
		if !errors.Is(err, errFaults) || run.Faults.Disconnected == 0 {
			t.Errorf("%v\n%s", err, out)
		}
		if last := run.Upgrades.Each[1]; last.Faults == 0 || last.Carried >= 90 {
			t.Errorf("%+v", last)
		}
	})
	t.Run("that can't be are an error", func(t *testing.T) {
		_, out, err := upgraded(t, "-server", chatd, "-next", "/bin/true", "-tls", "0", "-dialects", "raw")
		if err == nil || !strings.Contains(err.Error(), "no upgrade: exit status 1: chatd upgrade: refused") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestFlagsOfUpgradesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range []string{"x", "-tls 101", "-rooms 5", "-clients 10", "-rate 0", "-size 3", "-upgrades 0", "-every -1s", "-stuck -1", "-lagging -1", "-hostile -1", "-clients-per-process -1", "-clients-per-process 100000000", "-dialects morse"} {
		err := command(new(strings.Builder)).ParseAndRun(t.Context(), append([]string{"upgrade"}, strings.Fields(args)...))
		if err == nil || !strings.Contains(err.Error(), strings.Fields(args)[0]) {
			t.Errorf("%s: %v", args, err)
		}
	}
}
