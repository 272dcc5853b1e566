package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/bench/soak"
)

func TestSoakOfChatdHolds(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("half a minute")
	}
	var out strings.Builder
	file := filepath.Join(t.TempDir(), "new", "soak.md")
	// No queue may be shorter: healthy clients need as much. With this seed a
	// flood fills those of clients that don't read, on most machines.
	err := command(&out).ParseAndRun(t.Context(), []string{"soak", "-server", builtChatd(t, "-race") + " -drain-timeout 2s -queue 128", "-duration", "5s", "-seed", "2694", "-out", file})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	written, err := os.ReadFile(file)
	if err != nil || string(written) != out.String() || !strings.Contains(out.String(), "All checks hold.") {
		t.Errorf("%v\n%s\n%s", err, out.String(), written)
	}
}

func TestSoakFindsHealthyClientsThatAreCutOff(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("half a minute")
	}
	var out strings.Builder
	err := runSoak(t.Context(), builtChatd(t)+" -max-message 4096 -drain-timeout 2s", "", soak.NewSchedule(11, 2*time.Second), "", &out)
	if !errors.Is(err, errSoak) || !strings.Contains(err.Error(), "-seed 11") {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "a healthy client was cut off: 1009") {
		t.Error(out.String())
	}
}

func TestSoakOfAServerThatDoesNotStartSaysSo(t *testing.T) {
	var out strings.Builder
	err := runSoak(context.Background(), "/bin/false", "", soak.NewSchedule(11, time.Second), "", &out)
	if err == nil || !strings.Contains(err.Error(), "the server ended") {
		t.Error(err)
	}
}
