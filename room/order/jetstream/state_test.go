package jetstream

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestServersOfAStreamAreLookedAt(t *testing.T) {
	peers := []*jetstream.PeerInfo{{Name: "n2", Offline: true}, {Name: "n3"}, {Name: "n4", Current: true}}
	for _, tt := range []struct {
		replicas int
		cluster  *jetstream.ClusterInfo
		want     string
	}{
		{1, nil, "false [] []"},
		{1, &jetstream.ClusterInfo{Leader: ""}, "false [] []"},
		{3, &jetstream.ClusterInfo{Leader: "n1", Replicas: peers}, "false [n2] [n3]"},
		{3, &jetstream.ClusterInfo{Replicas: peers}, "true [n2] []"},
	} {
		s := State{Info: &jetstream.StreamInfo{Config: jetstream.StreamConfig{Replicas: tt.replicas}, Cluster: tt.cluster}}
		s.look()
		if got := fmt.Sprint(s.NoLeader, s.Away, s.Behind); got != tt.want {
			t.Errorf("%d replicas, %+v: %s, want %s", tt.replicas, tt.cluster, got, tt.want)
		}
	}
}
