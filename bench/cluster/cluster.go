package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"chatd/room/order/natsproxy"
)

// Config is what a cluster is made of.
type Config struct {
	Chatd   string   // its command; where it listens, and its NATS, are added
	Flags   []string // of each chatd, if its command does not say otherwise
	NATS    string   // nats-server's program
	Nodes   int
	Servers int
	Addr    string // of the first node; empty: a free port
	Proxied bool   // each node has a proxy of its own in front of each server
	Dir     string // for data and logs
}

// Token is the one with which programs may publish.
const Token = "the-token-of-programs"

// secret is the nodes' own.
const secret = "what-all-nodes-of-a-cluster-share"

// Cluster is nodes and the servers that they share.
type Cluster struct {
	Nodes   []*Node
	Servers []*Server
}

// Node is a chatd.
type Node struct {
	child
	Addr, Admin string
	links       []*natsproxy.Proxy // to each server; none: it has none
}

// Server is a nats-server.
type Server struct {
	child
	URL string
	dir string // what it stores
}

// Start starts a cluster and waits until all nodes are ready. Close ends what there is,
// even after an error.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	c := new(Cluster)
	if err := c.addServers(config); err != nil {
		return c, err
	}
	if err := c.addNodes(config); err != nil {
		return c, err
	}
	var servers errgroup.Group
	for _, s := range c.Servers {
		servers.Go(func() error { return s.start(ctx) })
	}
	if err := servers.Wait(); err != nil {
		return c, err
	}
	var nodes errgroup.Group
	for _, n := range c.Nodes {
		nodes.Go(func() error {
			if err := n.start(ctx); err != nil {
				return err
			}
			return n.awaitReady(ctx)
		})
	}
	return c, nodes.Wait()
}

func (c *Cluster) addServers(config Config) error {
	var routes []string
	for range config.Servers {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		routes = append(routes, "nats://"+addr)
	}
	for i, route := range routes {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return err
		}
		s := &Server{URL: "nats://" + addr, dir: filepath.Join(config.Dir, fmt.Sprint("nats-", i))}
		s.child = child{
			name: fmt.Sprint("nats-", i), log: s.dir + ".log", speaks: func() bool { return greets(addr) },
			args: []string{config.NATS, "-a", host, "-p", port, "-n", fmt.Sprint("nats-", i), "-js", "-sd", s.dir},
		}
		if config.Servers > 1 {
			// Nodes go by the addresses that they were given, which may be proxies'.
			s.args = append(s.args, "--cluster_name", "chatd", "--cluster", route, "--routes", strings.Join(routes, ","), "--no_advertise")
		}
		c.Servers = append(c.Servers, s)
	}
	return nil
}

func (c *Cluster) addNodes(config Config) error {
	tokens := filepath.Join(config.Dir, "tokens")
	if err := os.WriteFile(tokens, []byte(Token+"\n"), 0o600); err != nil {
		return err
	}
	command := strings.Fields(config.Chatd)
	if len(command) == 0 {
		return errors.New("chatd's command is empty")
	}
	for i := range config.Nodes {
		addr, admin := "", ""
		for _, a := range []*string{&addr, &admin} {
			var err error
			if *a, err = freeAddr(); err != nil {
				return err
			}
		}
		if i == 0 && config.Addr != "" {
			addr = config.Addr
		}
		n := &Node{Admin: admin}
		var urls []string
		for _, s := range c.Servers {
			url := s.URL
			if config.Proxied {
				link, err := natsproxy.New(s.URL)
				if err != nil {
					return err
				}
				n.links = append(n.links, link)
				url = link.URL
			}
			urls = append(urls, url)
		}
		rand.Shuffle(len(urls), func(i, j int) { urls[i], urls[j] = urls[j], urls[i] })
		n.Addr = dialable(addr)
		n.child = child{
			name: fmt.Sprint("node-", i), log: filepath.Join(config.Dir, fmt.Sprint("node-", i, ".log")), speaks: func() bool { return listens(n.Addr) },
			args: slices.Concat(command[:1], []string{"-addr", addr, "-admin", admin, "-nats", strings.Join(urls, ","), "-secret", secret, "-api-token-file", tokens}, config.Flags, command[1:]),
		}
		c.Nodes = append(c.Nodes, n)
		if listens(n.Addr) {
			return fmt.Errorf("something listens on %s already", n.Addr)
		}
	}
	return nil
}

// Close ends everything: nodes first, so that they don't miss the servers.
func (c *Cluster) Close() (err error) {
	for _, s := range c.Servers {
		s.pause(false)
	}
	var all sync.WaitGroup
	failed := make([]error, len(c.Nodes)+len(c.Servers))
	for i, n := range c.Nodes {
		all.Go(func() {
			n.pause(false)
			failed[i] = n.stop()
			for _, l := range n.links {
				l.Close()
			}
		})
	}
	all.Wait()
	for i, s := range c.Servers {
		all.Go(func() { failed[len(c.Nodes)+i] = s.stop() })
	}
	all.Wait()
	return errors.Join(failed...)
}

// awaitReady waits until the node takes messages.
func (n *Node) awaitReady(ctx context.Context) error {
	for deadline := time.Now().Add(startTime); ; {
		answer, err := http.Get("http://" + n.Admin + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %s:\n%s", n.name, startTime, n.tail())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * polling):
		}
	}
}

// listens reports whether connections to addr are taken.
func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// greets reports whether a nats-server speaks at addr.
func greets(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second)) // if that fails, so does reading
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.HasPrefix(line, "INFO ")
}

// dialable is where to connect to who listens on addr.
func dialable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "" {
		return addr
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// Ports that are given out. They are below those that the kernel gives to connections, so
// that nobody takes one while its owner is away.
const (
	firstPort = 12_000
	lastPort  = 32_000
)

var given struct {
	sync.Mutex
	ports map[int]bool // guarded by it
}

// freeAddr is a free one of the loopback interface, which is given out once.
func freeAddr() (string, error) {
	given.Lock()
	defer given.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		addr := "127.0.0.1:" + strconv.Itoa(port)
		listener, err := net.Listen("tcp", addr)
		if err != nil || given.ports[port] {
			continue
		}
		listener.Close()
		if given.ports == nil {
			given.ports = make(map[int]bool)
		}
		given.ports[port] = true
		return addr, nil
	}
	return "", errors.New("no port is free")
}
