package hostile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/bench/result"
	"chatd/cmd/chatd/certs/certstest"
)

// certified are chatd's flags for TLS.
var certified []string

// program is chatd, built with the race detector if the tests are.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "hostile")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		cert, key := certstest.New().Pair("127.0.0.1").Write(dir, "cert")
		certified = []string{"-tls-cert", cert, "-tls-key", key}
		program = filepath.Join(dir, "chatd")
		args := []string{"build", "-o", program}
		if raceDetector {
			args = append(args, "-race")
		}
		if out, err := exec.Command("go", append(args, "chatd/cmd/chatd")...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// Five hundred of each kind, beside as many healthy clients, who lose nothing;
// chatd counts what it did about them, and is rid of them when they are gone.
func TestHealthyClientsLoseNothingBesideHostilePeers(t *testing.T) {
	for _, k := range Kinds {
		if k.Comes(false) {
			t.Run(k.Name, func(t *testing.T) { besides(t, k, Trial{Healthy: 500, Peers: 500}) })
		}
	}
}

// The same by TLS, which half of the healthy speak, too. There are fewer of all: each takes
// a handshake. Of the kinds that are not of TLS itself there are those that have to do with
// how one reads and writes, and not with what is in a head or a frame.
func TestHealthyClientsLoseNothingBesideHostilePeersByTLS(t *testing.T) {
	others := []string{"slow handshakes", "never reading", "zero window", "ping floods", "tiny frames", "connect and reset"}
	for _, k := range Kinds {
		if k.Way == Secured || slices.Contains(others, k.Name) {
			t.Run(k.Name, func(t *testing.T) { besides(t, k, Trial{Healthy: 100, Peers: 50, TLS: certified}) })
		}
	}
}

// The same of those who get, or say, what is said in a room, in several.
func TestHealthyClientsLoseNothingBesideHostilePeersInTheirRooms(t *testing.T) {
	for _, k := range Kinds {
		if k.Size > 0 || k.Talks {
			t.Run(k.Name, func(t *testing.T) { besides(t, k, Trial{Healthy: 500, Peers: 500, Rooms: 10}) })
		}
	}
}

func besides(t *testing.T, k *Kind, trial Trial) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	trial.Program, trial.Rate, trial.Duration = program, 10, time.Second
	out, err := trial.Run(ctx, k)
	if errors.Is(err, ErrPrivilege) && os.Geteuid() != 0 {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out.Faults != (result.Faults{}) {
		t.Errorf("%+v %v\n%s", out.Faults, out.Causes, out.Log)
	}
	if out.Counted == 0 {
		t.Error("not counted")
	}
	if n := strings.Count(out.Log, "out of file descriptors"); k.Name == "descriptors run out" && n == 0 {
		t.Errorf("the log does not say that descriptors ran out:\n%s", out.Log)
	}
}
