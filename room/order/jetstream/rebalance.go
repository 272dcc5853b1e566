package jetstream

import (
	"bufio"
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Clients of NATS stay where they are: when a server comes back, or is new, nobody goes
// there. So a node moves if its server has at least two nodes more than another one. Of
// a server's nodes only the one with the least name moves, so they don't all do.

// rebalanceInterval is how often that is looked at, give or take a half.
const rebalanceInterval = time.Minute

// rebalance is to which server the connection is to go next.
type rebalance struct {
	mu     sync.Mutex
	wanted string // host and port; empty: any
}

// choose implements nats.ReconnectToServerHandler: it chooses once, and leaves the rest to
// nats.go.
func (r *rebalance) choose(servers []nats.Server, _ nats.ServerInfo) (*nats.Server, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := r.wanted
	r.wanted = ""
	for i := range servers {
		if wanted != "" && servers[i].URL.Host == wanted {
			return &servers[i], 0
		}
	}
	return nil, 0
}

// balance is the goroutine that looks.
func (s *Source) balance() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(rebalanceInterval/2 + rand.N(rebalanceInterval)):
			s.moveIfCrowded()
		}
	}
}

// moveIfCrowded connects to another server, if this one has many more nodes.
func (s *Source) moveIfCrowded() (moved bool) {
	nodes, least := s.counts.servers()
	here := s.nc.ConnectedServerId()
	if l := least[here]; here == "" || l == "" || l < s.node {
		return false // alone, or another one moves
	}
	best, fewest := "", nodes[here]
	for _, server := range s.nc.Servers() {
		u, err := url.Parse(server)
		if err != nil {
			continue
		}
		id, ok := serverID(u.Host)
		if ok && id != here && nodes[id] < fewest {
			best, fewest = u.Host, nodes[id]
		}
	}
	if best == "" {
		return false
	}
	s.config.Log.Info("moving to a NATS server that has fewer nodes", "to", best)
	s.rebalance.mu.Lock()
	s.rebalance.wanted = best
	s.rebalance.mu.Unlock()
	return s.nc.ForceReconnect() == nil
}

// serverID asks a server who it is, if it takes clients: that is the first thing that it
// says.
func serverID(host string) (id string, ok bool) {
	conn, err := net.DialTimeout("tcp", host, time.Second)
	if err != nil {
		return "", false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second)) // if that fails, so does reading
	line, err := bufio.NewReaderSize(conn, 64<<10).ReadSlice('\n')
	if err != nil {
		return "", false
	}
	var info struct {
		ID       string `json:"server_id"`
		LameDuck bool   `json:"ldm"`
	}
	body, ok := strings.CutPrefix(string(line), "INFO ")
	if !ok || json.Unmarshal([]byte(body), &info) != nil {
		return "", false
	}
	return info.ID, info.ID != "" && !info.LameDuck
}
