package jetstream

import (
	"strings"
	"testing"

	"chatd/room/order/natsproxy"
)

// what becomes of a copy on its way to a node.
const (
	pass   = int(natsproxy.Pass)
	drop   = int(natsproxy.Drop)
	double = int(natsproxy.Double)
	late   = int(natsproxy.Late) // behind the next one
)

// proxy is between a node and its server, and decides what becomes of copies.
type proxy struct {
	*natsproxy.Proxy
	url string
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	p, err := natsproxy.New(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return &proxy{p, p.URL}
}

// set has copies decided on.
func (p *proxy) set(decide func(subject string) int) {
	p.setAll(func(subject string) int {
		if strings.HasPrefix(subject, copiesIn) {
			return decide(subject)
		}
		return pass
	})
}

// setAll has everything decided on that the server sends; nil: all pass.
func (p *proxy) setAll(decide func(subject string) int) {
	if decide == nil {
		p.Decide(nil)
		return
	}
	p.Decide(func(subject string) natsproxy.Fate { return natsproxy.Fate(decide(subject)) })
}

// setPublish has what the node publishes decided on.
func (p *proxy) setPublish(decide func(subject string) int) {
	p.DecideSent(func(subject string) natsproxy.Fate { return natsproxy.Fate(decide(subject)) })
}

// setAway has nobody get through, or everybody again.
func (p *proxy) setAway(away bool) { p.Refuse(away) }

// cut ends all connections.
func (p *proxy) cut() { p.Cut() }

// pair is two nodes that have the room lobby: copies come to the second through a proxy.
func pair(t *testing.T, change ...func(*Config)) (p *proxy, a, b *Source, good, bad *recorder) {
	t.Helper()
	url := server(t).URL
	p = newProxy(t, url)
	a, b = open(t, url, change...), open(t, p.url, change...)
	return p, a, b, enter(t, a, "lobby"), enter(t, b, "lobby")
}
