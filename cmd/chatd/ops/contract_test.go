package ops

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"chatd/cmd/chatd/admin"
	"chatd/cmd/chatd/api"
	"chatd/cmd/chatd/certs"
	"chatd/cmd/chatd/certs/certstest"
	"chatd/cmd/chatd/upgrade"
	"chatd/poller"
	"chatd/room"
	"chatd/room/order/jetstream"
	"chatd/room/order/stored"
	"chatd/room/token"
)

// What the server has, asked of the server, and the files here may speak of.

// family is a metric family of /metrics.
type family struct {
	kind   string // counter, gauge, histogram or summary
	label  string // besides job and instance; "" if none
	values string // of the label, apart by spaces

	buckets []float64 // of a histogram, the finite ones
}

// families are those of /metrics, and what Prometheus adds.
var families = func() map[string]family {
	all, err := gather()
	if err != nil {
		panic(err)
	}
	all["up"] = family{kind: "gauge"}
	return all
}()

func gather() (map[string]family, error) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	pool := poller.NewPool(0, poller.NewPlain, log)
	defer pool.Close()
	epoll, err := poller.New(pool, func(error) {})
	if err != nil {
		return nil, err
	}
	defer epoll.Close()
	listener, err := poller.Listen("127.0.0.1:0", log)
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	dir, err := os.MkdirTemp("", "ops")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	store, err := stored.Open(dir, time.Second, log)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	server := room.New(room.Config{Queue: 1, Log: log, Page: http.NotFoundHandler()}, pool, epoll, func() {})
	secret, err := os.CreateTemp("", "secret")
	if err != nil {
		return nil, err
	}
	defer os.Remove(secret.Name())
	defer secret.Close()
	if _, err := secret.WriteString("a-secret-of-32-bytes-or-even-more"); err != nil {
		return nil, err
	}
	key, err := token.Open(secret.Name())
	if err != nil {
		return nil, err
	}
	tokens, err := api.OpenTokens(secret.Name())
	if err != nil {
		return nil, err
	}
	cert, certKey := certstest.New().Pair("chat.example").Write(dir, "cert")
	shown, err := (&certs.Flags{Certs: []string{cert}, Keys: []string{certKey}}).Open(log)
	if err != nil {
		return nil, err
	}
	nats := admin.NewNATS()
	nats.Stats = func() jetstream.Stats { return jetstream.Stats{} }
	r := admin.Registry(admin.Source{
		Server: server, Pool: pool, Listeners: []*poller.Listener{listener}, API: api.New(tokens, 1), PassTime: admin.NewPassTime(), PlaceTime: admin.NewPlaceTime(), Lag: admin.NewLag(),
		LogLinesLost: func() uint64 { return 0 }, Upgrades: new(upgrade.Counts), TokenKey: key, APITokens: tokens, Store: store, NATS: nats, Certs: shown,
	})
	gathered, err := r.Gather()
	if err != nil {
		return nil, err
	}
	all := make(map[string]family)
	for _, g := range gathered {
		f := family{kind: strings.ToLower(g.GetType().String())}
		for _, m := range g.GetMetric() {
			if q := m.GetSummary().GetQuantile(); len(q) > 0 {
				f.label, f.values = "quantile", "0 0.25 0.5 0.75 1"
			}
			for _, b := range m.GetHistogram().GetBucket() {
				f.buckets = append(f.buckets, b.GetUpperBound())
			}
			if labels := m.GetLabel(); len(labels) > 0 {
				f.label = labels[0].GetName()
				f.values = strings.TrimSpace(f.values + " " + labels[0].GetValue())
			}
		}
		all[g.GetName()] = f
	}
	return all, server.Shutdown(context.Background())
}

// flags are those of chatd, chatd check and chatd upgrade, apart by spaces, as their -help
// has them.
var flags = sync.OnceValue(func() string {
	chatd := filepath.Join(testDir, "chatd")
	if out, err := exec.Command("go", "build", "-o", chatd, "..").CombinedOutput(); err != nil {
		panic(string(out))
	}
	var all []string
	for _, args := range [][]string{{"-help"}, {"check", "-help"}, {"upgrade", "-help"}} {
		help, _ := exec.Command(chatd, args...).CombinedOutput() // a command without flags but those it names
		for _, m := range regexp.MustCompile(`(?m)^  -(\S+)`).FindAllStringSubmatch(string(help), -1) {
			all = append(all, m[1])
		}
	}
	return strings.Join(all, " ")
})

// testDir is for what the tests build.
var testDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "ops")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		testDir = dir
		return m.Run()
	}())
}
