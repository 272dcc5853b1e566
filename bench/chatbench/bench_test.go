package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/load"
	"chatd/bench/result"
)

// against runs a scenario against a server with a fault.
func against(t *testing.T, fault, name string, change func(*scenario)) (run *result.Run, url string, server *server, err error) {
	t.Helper()
	url, server = startBadly(t, fault)
	process, err := findProcess(server.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{
		params: result.Params{Clients: 20, Senders: 1, MessageBytes: 64, Rate: 500, Outstanding: 4, StuckClients: 2},
		url:    url, dialect: load.Raw, share: 1000, server: process, duration: time.Second, warmup: 50 * time.Millisecond, limit: 100 * time.Millisecond,
		progress: newProgress(os.NewFile(^uintptr(0), ""), ""),
	}
	if change != nil {
		change(s)
	}
	if s.target, err = load.NewTarget(url, s.dialect, s.header); err != nil {
		t.Fatal(err)
	}
	run, err = s.run(t.Context(), name, fault)
	return run, url, server, err
}

// complaints are what a run warns of, but for that the harness had no time left,
// which is the machine's.
func complaints(run *result.Run) []string {
	return slices.DeleteFunc(slices.Clone(run.Warnings), func(w string) bool { return strings.HasPrefix(w, "the generator was busy") })
}

func TestPlantedFaultsAreReportedAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fault string
		want  func(result.Faults) bool // besides which nothing may be wrong
		rest  func(*result.Faults)     // takes away what was wanted
		says  string
	}{
		{"none", func(f result.Faults) bool { return true }, func(f *result.Faults) {}, ""},
		{"drop", func(f result.Faults) bool { return f.Lost >= 5 }, func(f *result.Faults) { f.Lost = 0 }, ""},
		{"swap", func(f result.Faults) bool { return f.Disordered >= 1 && f.OrderDiffers == 1 }, func(f *result.Faults) { f.Disordered, f.OrderDiffers = 0, 0 }, ""},
		{"duplicate", func(f result.Faults) bool { return f.Duplicated >= 3 }, func(f *result.Faults) { f.Duplicated = 0 }, ""},
		{"corrupt", func(f result.Faults) bool { return f.Corrupt >= 3 && f.Lost == f.Corrupt }, func(f *result.Faults) { f.Corrupt, f.Lost = 0, 0 }, "other bytes than were sent"},
		{"join", func(f result.Faults) bool { return f.Corrupt >= 3 && f.Lost == f.Corrupt }, func(f *result.Faults) { f.Corrupt, f.Lost = 0, 0 }, "joins them with newlines"},
		{"hangup", func(f result.Faults) bool { return f.Disconnected == 1 }, func(f *result.Faults) { f.Disconnected = 0 }, "hung up on"},
		{"close", func(f result.Faults) bool { return f.Disconnected == 1 }, func(f *result.Faults) { f.Disconnected = 0 }, "closed by the server with code 1013 too slow"},
		{"garbage", func(f result.Faults) bool { return f.Disconnected == 1 }, func(f *result.Faults) { f.Disconnected = 0 }, "compresses"},
	}
	for _, tt := range cases {
		t.Run(tt.fault, func(t *testing.T) {
			run, _, _, err := against(t, tt.fault, "fanout", nil)
			if err != nil {
				t.Fatal(err)
			}
			rest := run.Faults
			tt.rest(&rest)
			if !tt.want(run.Faults) || rest.Any() {
				t.Errorf("%+v", run.Faults)
			}
			if all := strings.Join(run.Warnings, "\n"); !strings.Contains(all, tt.says) {
				t.Errorf("want a warning of %q:\n%s", tt.says, all)
			}
		})
	}
}

// With enough to say that sockets get full, and records come in pieces.
func TestClientsByTLSHearAndSayTheSame(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*scenario){
		"fanout": nil, "flood": func(s *scenario) { s.params.MessageBytes, s.params.Outstanding = 40_000, 64 },
		"idle": nil, "storm": nil, "stuck": func(s *scenario) { s.params.Rate = 50 },
	} {
		run, _, _, err := against(t, "tls: none", name, change)
		if err != nil {
			t.Fatal(name, err)
		}
		if run.Faults.Any() || len(complaints(run)) > 0 {
			t.Errorf("%s: %+v %v", name, run.Faults, complaints(run))
		}
	}
	run, _, _, err := against(t, "tls: swap", "fanout", nil)
	if f := run.Faults; err != nil || f.Disordered == 0 {
		t.Errorf("%v, %+v", err, f)
	}
	if run, _, _, err = against(t, "tls: hangup", "fanout", nil); err != nil || run.Faults.Disconnected != 1 {
		t.Errorf("%v, %+v", err, run.Faults)
	}
}

func TestMessagesOfOtherRoomsAreFound(t *testing.T) {
	t.Parallel()
	inRooms := func(s *scenario) { s.params.Rooms, s.params.Senders = 4, 4 }
	for fault, least := range map[string]uint64{"none": 0, "foreign": 3, "no rooms": 1000} {
		run, _, _, err := against(t, fault, "fanout", inRooms)
		if err != nil {
			t.Fatal(err)
		}
		rest := run.Faults
		rest.Foreign = 0
		all := strings.Join(run.Warnings, "\n")
		if n := run.Faults.Foreign; n < least || (n > 0) != (least > 0) || rest.Any() || strings.Contains(all, "came to a client in room") != (n > 0) {
			t.Errorf("%s: %+v\n%s", fault, run.Faults, all)
		}
		if run.Offered != 500*5 {
			t.Errorf("%s: %g deliveries/s are offered to rooms of 5", fault, run.Offered)
		}
	}
	url, _ := startBadly(t, "foreign")
	var out strings.Builder
	err := command(&out).ParseAndRun(t.Context(), []string{"fanout", "-url", url, "-clients", "8", "-rooms", "2", "-rate", "500", "-warmup", "0s", "-duration", "500ms"})
	if !errors.Is(err, errFaults) || strings.Contains(out.String(), " 0 of another room") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestClientsOfSeveralProcessesAreOneCrowd(t *testing.T) {
	t.Parallel()
	spread := func(s *scenario) { s.share = 6 } // 20 clients: four processes
	run, url, _, err := against(t, "none", "fanout", spread)
	if err != nil || run.Faults.Any() {
		t.Fatalf("%v %+v %v", err, run.Faults, run.Warnings)
	}
	if n, all := run.Deliveries, serverDeliveries(t, url); n == 0 || int(n) > all || run.Last == nil {
		t.Errorf("%d deliveries, the server counted %d, %+v", n, all, run.Last)
	}
	run, _, _, err = against(t, "swap", "fanout", spread)
	if f := run.Faults; err != nil || f.Disordered == 0 || f.OrderDiffers != 1 {
		t.Errorf("%v %+v", err, f)
	}
	run, _, _, err = against(t, "none", "fanout", func(s *scenario) { s.share, s.params.Rooms, s.params.Senders = 6, 3, 4 })
	if err != nil || run.Faults.Any() || run.Deliveries == 0 || run.Last == nil {
		t.Errorf("in rooms: %v %+v %v", err, run.Faults, run.Warnings)
	}
}

func TestStallIsSeenInEveryMessageThatWasDueDuringIt(t *testing.T) {
	run, _, _, err := against(t, "stall", "fanout", nil)
	if err != nil {
		t.Fatal(err)
	}
	// One message in 50 stalls for 200 ms; at 500 a second all of those that
	// are due meanwhile wait with it, so that most are late.
	if run.Last == nil || run.Last.Max < 200 || run.Last.P90 < 100 {
		t.Fatalf("latency of last deliveries %+v", run.Last)
	}
}

func TestLeakIsSeenInTheMemoryOfAConnection(t *testing.T) {
	change := func(s *scenario) { s.params.Clients = 800 }
	leaky, _, _, err := against(t, "leak", "idle", change)
	if err != nil {
		t.Fatal(err)
	}
	sound, _, _, err := against(t, "none", "idle", change)
	if err != nil {
		t.Fatal(err)
	}
	// (With the race detector, the server's memory has a shadow several times its size.)
	if extra := leaky.Memory.PerConn - sound.Memory.PerConn; extra < 8<<10 || extra > 64<<10 {
		t.Fatalf("%.0f bytes a connection with the leak, %.0f without", leaky.Memory.PerConn, sound.Memory.PerConn)
	}
	// In rooms of two, a connection has half of what a room takes.
	byRoom, _, _, err := against(t, "leak by room", "idle", func(s *scenario) { s.params.Clients, s.params.Rooms = 800, 400 })
	if err != nil {
		t.Fatal(err)
	}
	if extra := byRoom.Memory.PerConn - sound.Memory.PerConn; extra < 4<<10 || extra > 32<<10 {
		t.Fatalf("%.0f bytes a connection with a leak in each room, %.0f without", byRoom.Memory.PerConn, sound.Memory.PerConn)
	}
}

func TestServerThatRefusesIsToldFromOneThatIsNotThere(t *testing.T) {
	t.Parallel()
	for fault, says := range map[string]string{"refuse": "503 Service Unavailable: no room for you", "compress": ""} {
		run, _, _, err := against(t, fault, "fanout", nil)
		if says == "" {
			if err != nil || run.Faults.Any() { // offered, but never asked for
				t.Errorf("%s: %v %+v", fault, err, run.Faults)
			}
		} else if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", fault, err)
		}
	}
	addr, err := freeAddr()
	if err != nil {
		t.Fatal(err)
	}
	err = command(new(strings.Builder)).ParseAndRun(t.Context(), []string{"fanout", "-url", "ws://" + addr + "/ws"})
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestEveryScenarioRunsAgainstASoundServer(t *testing.T) {
	t.Parallel()
	for name := range scenarios {
		if name == "ramp" || name == "herd" || name == "publish" { // the one ends only when a server fails, the others need a dialect
			continue
		}
		t.Run(name, func(t *testing.T) {
			for _, rooms := range []int{1, 4} {
				run, _, _, err := against(t, "none", name, func(s *scenario) {
					s.duration, s.params.Rooms = 300*time.Millisecond, rooms
					s.versus, s.pairs = versusSingle, 1
				})
				if err != nil || run.Faults.Any() {
					t.Fatalf("%d rooms: %v %+v %v", rooms, err, run.Faults, run.Warnings)
				}
			}
		})
	}
}

func TestRampEndsAtAServerThatStalls(t *testing.T) {
	run, _, _, err := against(t, "stall", "ramp", func(s *scenario) { s.duration, s.params.Rate = 300*time.Millisecond, 200 })
	if err != nil || run.Ramp.Why == "" || run.Ramp.Failed == 0 {
		t.Fatalf("%v %+v", err, run.Ramp)
	}
}

func TestFiguresAgreeWithTheServersOwnAndTheKernels(t *testing.T) {
	run, url, server, err := against(t, "none", "flood", func(s *scenario) { s.warmup, s.duration = 0, 2*time.Second })
	if err != nil {
		t.Fatal(err)
	}
	counted := serverDeliveries(t, url)
	if d := float64(run.Deliveries); d < 0.9*float64(counted) || d > 1.1*float64(counted) {
		t.Errorf("%d deliveries, the server counted %d", run.Deliveries, counted)
	}
	process, err := findProcess(server.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	u := process.usage()
	server.cmd.Process.Kill()
	server.done <- <-server.done // for stop
	state := server.cmd.ProcessState
	kernel := (state.UserTime() + state.SystemTime()).Seconds()
	if got := u.user + u.system; got < 0.9*kernel-0.02 || got > 1.1*kernel+0.02 {
		t.Errorf("CPU %.2f s, the kernel says %.2f s", got, kernel)
	}
}

func TestInterruptedRunStillReports(t *testing.T) {
	url, _ := startBadly(t, "none")
	path := filepath.Join(t.TempDir(), "run.json")
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	var out strings.Builder
	err := command(&out).ParseAndRun(ctx, []string{"fanout", "-url", url, "-clients", "10", "-warmup", "100ms", "-duration", "1h", "-json", path})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var run result.Run
	if err := json.Unmarshal(b, &run); err != nil || run.Schema != result.Schema || run.Deliveries == 0 {
		t.Fatalf("%v\n%s", err, b)
	}
	if !strings.Contains(out.String(), "achieved") {
		t.Fatal(out.String())
	}
}

func TestImpossibleFlagsAreRefusedInOneLine(t *testing.T) {
	for args, says := range map[string]string{
		"fanout -clients 0":                     "-clients is 0",
		"fanout -senders 5 -clients 2":          "-senders is 5",
		"fanout -size 5":                        "-size is 5",
		"fanout -rate 0":                        "-rate is 0",
		"fanout -duration 0s":                   "-duration is 0s",
		"fanout -url http://x/ws":               "must be ws://",
		"flood -senders 4 -outstanding 2":       "-outstanding is 2",
		"stuck -stuck 0":                        "-stuck is 0",
		"idle -clients 1000000000":              "raise the file descriptor limit",
		"idle -clients-per-process 1000000000":  "the file descriptor limit allows",
		"idle -pid 1 -server true":              "exclude each other",
		"compare nonsense":                      "unexpected argument",
		"fanout -rooms 0":                       "-rooms is 0",
		"fanout -rooms 5 -clients 2":            "-rooms is 5",
		"storm -rooms 1000000":                  "-rooms is 1000000",
		"storm -resume":                         "-resume is without effect",
		"fanout -syscalls":                      "-syscalls needs",
		"rooms -members 0":                      "-members is 0",
		"rooms -versus nothing":                 "-versus is",
		"rooms -outstanding 0":                  "-outstanding is 0",
		"fanout -dialect latin":                 "-dialect is",
		"fanout -dialect chat -size 32":         "-size is 32",
		"herd -dialect raw":                     "no places to come back to",
		"herd -missed 0":                        "-missed is 0",
		"publish -dialect raw":                  "must be chat or events",
		"publish -publishers 0 -rooms 0":        "-rooms is 0",
		"publish -publishers 3 -rooms 4":        "-publishers is 3",
		"publish -rate -1":                      "-rate is -1",
		"herd -staying 0":                       "-staying is 0",
		"herd -staying 3 -rooms 4":              "-rooms is 4",
		"herd -clients 1000000":                 "of one process each",
		"rooms -versus raw":                     "another -dialect",
		"rooms -pairs 0":                        "-pairs is 0",
		"compare -rounds 0":                     "-rounds is 0",
		"hostile -rooms 0":                      "-rooms is 0",
		"hostile -rooms 6 -clients 5":           "-rooms is 6",
		"fanout -url ws://127.0.0.1:1/ws extra": "unexpected argument",
	} {
		err := command(new(strings.Builder)).ParseAndRun(t.Context(), strings.Fields(args))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("chatbench %s: %v", args, err)
		}
	}
}

func TestTheBinaryIsCalledWhatItsUsageSays(t *testing.T) {
	const want = "chatbench"
	out, err := exec.Command("go", "list", "-f", "{{.Target}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if name := filepath.Base(strings.TrimSpace(string(out))); name != want {
		t.Errorf("go install makes %s", name)
	}
	root := command(new(strings.Builder))
	for _, c := range append([]*ffcli.Command{root}, root.Subcommands...) {
		// Those of the harness's own processes have no usage.
		if name, _, _ := strings.Cut(c.ShortUsage, " "); c.ShortUsage != "" && name != want {
			t.Errorf("the usage says %q", c.ShortUsage)
		}
	}
}
