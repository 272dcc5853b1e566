package cluster

import (
	"strings"
	"testing"

	"chatd/room/order/natstest"
)

func TestClientsOfANodeThatDiesGoOnAtTheOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("a quarter of a minute")
	}
	t.Parallel()
	r, err := Failover{
		Cluster: Config{Chatd: build(t), Flags: []string{"-nats-partitions", "1", "-history", "1000"}, NATS: natstest.Binary(t), Nodes: 3, Servers: 1, Dir: t.TempDir()},
		Clients: 200, Staying: 20, Rate: 20,
	}.Run(t.Context(), func(string, int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.Write(&text); err != nil || r.Faults.Any() || r.Back < r.Clients || r.Sent == 0 {
		t.Errorf("%v\n%s", err, &text)
	}
	t.Log(&text)
}
