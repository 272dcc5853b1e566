package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	chatclient "chatd/cmd/chatd/talk/client"
	"chatd/room/order/natstest"
)

// cluster is three nats-servers and three chatd behind HAProxy, as the files of
// ops/cluster say.
type cluster struct {
	t       *testing.T
	servers []*natstest.Server
	health  []string // the servers' own addresses for that
	nodes   []*process
	args    []string // of each node
	front   *front
	socket  string // HAProxy's, to be asked
}

func startCluster(t *testing.T, args ...string) *cluster {
	t.Helper()
	dir := t.TempDir()
	certify(t, dir)
	c := &cluster{t: t, socket: filepath.Join(dir, "socket")}
	c.startServers(dir)
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, strings.Replace(s.URL, "nats://", "tls://chatd:a-password@", 1))
	}
	c.args = append([]string{
		"-nats", strings.Join(urls, ","), "-nats-ca", filepath.Join(dir, "cert.pem"), "-nats-partitions", "4",
		"-secret-file", write(t, dir, "secrets", "the same on all nodes\n"), "-trusted-proxies", "127.0.0.1",
	}, args...)
	for range 3 {
		c.nodes = append(c.nodes, startChatd(t, append([]string{"-admin", "127.0.0.1:0"}, c.args...)...))
	}
	for i := range c.nodes {
		c.ready(i)
	}
	changes := []string{
		"defaults\n", "global\n    stats socket " + c.socket + "\ndefaults\n",
		"inter 2s", "inter 200ms",
	}
	for i, p := range c.nodes {
		changes = append(changes, fmt.Sprintf("server chat%d 10.91.0.1%d:8080", i+1, i+1), fmt.Sprintf("server chat%d %s port %s", i+1, p.Addr, port(t, p.Admin)))
	}
	c.front = startFront(t, nil, func(dir, addr string) *exec.Cmd {
		config := configured(t, "cluster/haproxy.cfg", append(changes, "bind :443 ssl crt /etc/haproxy/chat.example.pem alpn h2,http/1.1", "bind "+addr)...)
		return exec.Command("haproxy", "-db", "-f", write(t, dir, "haproxy.cfg", config))
	})
	for i := range c.nodes {
		c.up(i)
	}
	return c
}

func (c *cluster) startServers(dir string) {
	c.t.Helper()
	routes := freeAddrs(c.t, 3)
	c.health = freeAddrs(c.t, 3)
	for i := range 3 {
		config := configured(c.t, "cluster/nats-server.conf",
			"$NATS_NAME", fmt.Sprint("chat", i+1),
			"$NATS_PASSWORD", "a-password",
			"127.0.0.1:8222", c.health[i],
			"0.0.0.0:6222", routes[i],
			"chat1:6222", routes[0], "chat2:6222", routes[1], "chat3:6222", routes[2],
			"/etc/nats/ca.pem", "/etc/nats/cert.pem", // it signed itself
			"/etc/nats/", dir+"/",
			`store_dir: "/var/lib/nats"`, "", // is given by a flag
			`lame_duck_grace_period: "1s"`, `lame_duck_grace_period: "100ms"`,
		)
		c.servers = append(c.servers, natstest.Start(c.t, "-c", write(c.t, dir, fmt.Sprint("server", i), config)))
	}
}

// freeAddrs are addresses that are free, and most likely stay so.
func freeAddrs(t *testing.T, n int) (addrs []string) {
	t.Helper()
	for range n {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer free.Close()
		addrs = append(addrs, free.Addr().String())
	}
	return addrs
}

// ready waits until a node says that it is.
func (c *cluster) ready(node int) {
	c.t.Helper()
	soon(c.t, func() bool {
		status, _ := c.nodes[node].admin("/readyz")
		return status == http.StatusOK
	})
}

// up waits until HAProxy sends clients to a node.
func (c *cluster) up(node int) {
	c.t.Helper()
	soon(c.t, func() bool {
		return strings.Contains(serverState(c.t, c.socket, fmt.Sprint("chat", node+1)), ",UP,")
	})
}

// healthy waits until a server has all that its streams have elsewhere.
func (c *cluster) healthy(server int) {
	c.t.Helper()
	soon(c.t, func() bool {
		answer, err := http.Get("http://" + c.health[server] + "/healthz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// guest is a client that says something all the time.
type guest struct {
	*chatclient.Client
	name    string
	arrived chan struct{} // closed by the first welcome
	ended   chan struct{} // closed when it has heard the last text

	mu      sync.Mutex
	heard   []string
	trouble []string // what it was told that should not be
	away    int      // times that it lost its connection
}

// lastText is what the last one says.
const lastText = "that is all"

func newGuest(name, addr string) *guest {
	g := &guest{name: name, arrived: make(chan struct{}), ended: make(chan struct{})}
	g.Client = chatclient.New(chatclient.Config{URL: &url.URL{Scheme: "ws", Host: addr, Path: "/ws/lobby"}, Name: name, Heard: g.hear})
	return g
}

func (g *guest) hear(e chatclient.Event) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case e.Again:
	case e.Type == chatclient.Welcome && e.Away == 0:
		close(g.arrived)
	case e.Type == chatclient.Say:
		g.heard = append(g.heard, e.Text)
		if e.Text == lastText {
			close(g.ended)
		}
	case e.Type == chatclient.Gap:
		g.trouble = append(g.trouble, fmt.Sprintf("gap from %d to %d: %s", e.From, e.To, e.Why))
	case e.Type == chatclient.Error:
		g.trouble = append(g.trouble, e.Code+": "+e.Message)
	case e.Type == chatclient.Offline:
		g.away++
	}
	return nil
}

func (g *guest) lost() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.away
}

// talk says texts until stop, and returns how many.
func (g *guest) talk(ctx context.Context, stop <-chan struct{}) (said int) {
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-stop:
			return said
		case <-pace.C:
		}
		if g.Say(ctx, fmt.Sprint(said), fmt.Sprint(g.name, " ", said)) != nil {
			return said
		}
		said++
	}
}

// Each node and each server is restarted, one after the other, as README.md of ops/cluster
// says, while clients talk. They hear all that is said, once and in one order, and nothing
// is refused; of a server's restart they notice nothing.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	c := startCluster(t, "-history", "10000")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running, talking sync.WaitGroup
	defer running.Wait()
	defer cancel()
	stop := make(chan struct{})
	var guests []*guest
	said := make([]int, 6)
	for i := range said {
		g := newGuest(string(rune('a'+i)), c.front.Addr)
		guests = append(guests, g)
		running.Go(func() {
			if err := g.Run(ctx); err != nil {
				t.Errorf("%s: %v", g.name, err)
			}
		})
		select {
		case <-g.arrived:
		case <-time.After(patience):
			t.Fatal("not welcome")
		}
	}
	for i, g := range guests {
		talking.Go(func() { said[i] = g.talk(ctx, stop) })
	}
	begun := time.Now()
	for i, p := range c.nodes {
		p.Stop()
		c.nodes[i] = startChatd(t, append([]string{"-addr", p.Addr, "-admin", p.Admin}, c.args...)...)
		c.ready(i)
		c.up(i)
	}
	t.Logf("the nodes: %s", time.Since(begun))
	before := 0
	for _, g := range guests {
		before += g.lost()
	}
	for i, s := range c.servers {
		begun := time.Now()
		s.Retire()
		s.Restart()
		c.healthy(i)
		t.Logf("a server: %s", time.Since(begun))
	}
	for i := range c.nodes {
		c.ready(i)
	}
	after := 0
	for _, g := range guests {
		after += g.lost()
	}
	if before < len(guests) || after != before {
		t.Errorf("connections were lost %d times by the nodes' restarts and %d times by the servers'", before, after-before)
	}
	close(stop)
	talking.Wait()
	all := 1
	for _, n := range said {
		all += n
	}
	heard := func(g *guest) int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.heard)
	}
	soon(t, func() bool { return heard(guests[0]) >= all-1 })
	if err := guests[0].Say(ctx, "last", lastText); err != nil {
		t.Fatal(err)
	}
	for _, g := range guests {
		select {
		case <-g.ended:
		case <-time.After(patience):
			t.Errorf("%s has heard %d of %d texts", g.name, heard(g), all)
		}
	}
	cancel()
	running.Wait()
	t.Logf("%d texts; %d connections lost", all, after)
	for _, g := range guests {
		if len(g.trouble) > 0 {
			t.Errorf("%s was told %q", g.name, g.trouble)
		}
		if !slices.Equal(g.heard, guests[0].heard) {
			t.Errorf("%s has heard something else than %s", g.name, guests[0].name)
		}
	}
	if once := slices.Compact(slices.Sorted(slices.Values(guests[0].heard))); len(once) != all || len(guests[0].heard) != all {
		t.Errorf("%d texts were said, %d heard, %d of them different", all, len(guests[0].heard), len(once))
	}
}
