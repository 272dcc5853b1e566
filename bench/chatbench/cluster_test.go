package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatd/room/order/natstest"
)

func TestClusterUnderHarmHolds(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("half a minute")
	}
	var out strings.Builder
	file := filepath.Join(t.TempDir(), "cluster.md")
	// With this seed there is most of all within these seconds.
	err := command(&out).ParseAndRun(t.Context(), []string{"cluster", "-server", builtChatd(t), "-nats-server", natstest.Binary(t),
		"-clients", "18", "-rooms", "6", "-rate", "40", "-duration", "10s", "-seed", "2699", "-out", file})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	written, err := os.ReadFile(file)
	if err != nil || string(written) != out.String() || !strings.Contains(out.String(), "Everybody heard the same") {
		t.Errorf("%v\n%s\n%s", err, out.String(), written)
	}
	t.Log(out.String())
}

func TestClusterIsServedUntilItIsInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, in := io.Pipe()
	ended, chatd, nats := make(chan error, 1), builtChatd(t), natstest.Binary(t)
	go func() {
		err := command(in).ParseAndRun(ctx, []string{"cluster", "-serve", "-server", chatd + " -nats-partitions 2", "-nats-server", nats, "-nodes", "2", "-nats-servers", "1"})
		in.CloseWithError(err)
		ended <- err
	}()
	var told strings.Builder
	for b := make([]byte, 1024); !strings.Contains(told.String(), "Ctrl-C"); {
		n, err := out.Read(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, &told)
		}
		told.Write(b[:n])
	}
	addrs := regexp.MustCompile(`http://[0-9.:]+`).FindAllString(told.String(), -1)
	for _, addr := range addrs {
		answer, err := http.Get(addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
	if len(addrs) != 4 {
		t.Errorf("%d addresses:\n%s", len(addrs), &told)
	}
	interrupt()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("it does not end")
	}
	for _, addr := range addrs {
		if answer, err := http.Get(addr + "/"); err == nil {
			answer.Body.Close()
			t.Errorf("%s is still there", addr)
		}
	}
}
