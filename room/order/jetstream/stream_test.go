package jetstream

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"chatd/room/chat"
	"chatd/room/order"
	"chatd/room/order/natstest"
)

// config is one that agrees with open's.
func config(url string) Config {
	return Config{URLs: []string{url}, Partitions: 2, History: 100, Age: time.Hour}
}

func TestInitMakesStreamsAndChangesThem(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	nc, js := admin(t, url)
	c := config(url)
	told := make(map[string]string)
	init := func() {
		t.Helper()
		if err := c.Init(t.Context(), nc, func(stream, what string) { told[stream] = what }); err != nil {
			t.Fatal(err)
		}
	}
	init()
	if want := map[string]string{"chat-0": "made", "chat-1": "made"}; !maps.Equal(told, want) {
		t.Errorf("%v", told)
	}
	init()
	if want := map[string]string{"chat-0": "is as it must be", "chat-1": "is as it must be"}; !maps.Equal(told, want) {
		t.Errorf("%v", told)
	}
	// Somebody changes what can be mended.
	stream, err := js.Stream(t.Context(), "chat-1")
	if err != nil {
		t.Fatal(err)
	}
	is := stream.CachedInfo().Config
	is.RePublish, is.AllowDirect, is.Subjects, is.Duplicates, is.Description = nil, false, []string{"c.1.>", "d.1.>"}, time.Second, "mine"
	if _, err := js.UpdateStream(t.Context(), is); err != nil {
		t.Fatal(err)
	}
	states, err := c.Show(t.Context(), nc)
	if err != nil || len(states) != 2 || len(states[0].Faults) != 0 || len(states[1].Faults) != 4 {
		t.Errorf("%+v, %v", states, err)
	}
	c.History = 50
	init()
	if want := map[string]string{"chat-0": "changed", "chat-1": "changed"}; !maps.Equal(told, want) {
		t.Errorf("%v", told)
	}
	states, err = c.Show(t.Context(), nc)
	if err != nil || len(states[1].Faults)+len(states[1].Differs) != 0 || states[1].Info.Config.Description != "mine" {
		t.Errorf("%+v, %v", states, err)
	}
}

func TestStreamThatWouldBreakTheOrderIsRefused(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	nc, js := admin(t, url)
	good := config(url).stream(0, false)
	for what, change := range map[string]func(*jetstream.StreamConfig){
		"is kept in memory: it can't be changed, but made anew, and its messages are lost: nats stream rm chat-0": func(c *jetstream.StreamConfig) {
			c.Storage = jetstream.MemoryStorage
		},
		"is one of 16, not of 2: start chatd with -nats-partitions 16": func(c *jetstream.StreamConfig) {
			c.Metadata = map[string]string{metaPartitions: "16"}
		},
		"does not say how many partitions there are: it was not made by chatd": func(c *jetstream.StreamConfig) { c.Metadata = nil },
		"sends no copies of what it has stored: chatd nats init":               func(c *jetstream.StreamConfig) { c.RePublish = nil },
		"sends copies of c.0.> to x.>, not of c.0.> to r.0.>":                  func(c *jetstream.StreamConfig) { c.RePublish.Destination = "x.>" },
		"has the subjects c.0.lobby, not c.0.>": func(c *jetstream.StreamConfig) {
			c.Subjects, c.RePublish = []string{"c.0.lobby"}, &jetstream.RePublish{Source: "c.0.>", Destination: "r.0.>"}
		},
		"can't be read directly":                 func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"forgets what was read":                  func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"acknowledges nothing":                   func(c *jetstream.StreamConfig) { c.NoAck = true },
		"knows duplicates for 1s, not for 30s":   func(c *jetstream.StreamConfig) { c.Duplicates = time.Second },
		"refuses new messages when it is full":   func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew },
		"gets messages from another stream, whi": func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "other"}} },
	} {
		is := good
		is.RePublish = &jetstream.RePublish{Source: good.RePublish.Source, Destination: good.RePublish.Destination}
		change(&is)
		if _, err := js.CreateStream(t.Context(), is); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		s, err := Open(t.Context(), config(url))
		if err == nil {
			s.Close()
		}
		if err == nil || !errors.As(err, new(Fault)) || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
		err = config(url).Init(t.Context(), nc, func(string, string) {})
		var fault Fault
		if errors.As(err, &fault) && fault.Mend == mendInit {
			t.Errorf("init says to use init: %v", err)
		}
		if err := js.DeleteStream(t.Context(), "chat-0"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSourceThatFindsNoServerGoesOn(t *testing.T) {
	t.Parallel()
	srv := server(t)
	srv.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	s, err := Open(ctx, config(srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Ready() == nil {
		t.Error("it is ready")
	}
	r := newRecorder()
	s.Enter("lobby", r)
	say(s, "lobby", "a", 1, 3)
	srv.Restart()
	r.untilBegun(t)
	r.untilPlaced(t, 3)
	r.check(t)
	if len(r.placed) != 3 || s.Ready() != nil {
		t.Errorf("placed %v, failed %v, %v", r.placed, r.failed, s.Ready())
	}
}

func TestJetStreamThatIsOffIsSaid(t *testing.T) {
	t.Parallel()
	nc, _ := admin(t, natstest.StartWithoutJetStream(t).URL)
	err := config("").Init(t.Context(), nc, func(string, string) {})
	if err == nil || !strings.Contains(err.Error(), "JetStream is off") {
		t.Error(err)
	}
}

func TestReplicasThatAreNotThereAreSaid(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	c := config(url)
	c.Replicas = 3
	if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "-nats-replicas") {
		t.Error(err)
	}
}

func TestOlderServersAreTold(t *testing.T) {
	for version, old := range map[string]bool{
		"2.10.29": true, "1.99.0": true, "2.11.0": false, "2.11.0-RC.1": false, "2.12.3": false, "v2.9.1": true, "3.0.0": false, "": true,
	} {
		if olderThan(version, oldestServer) != old {
			t.Errorf("%q", version)
		}
	}
}

func TestServerThatIsTooOldIsRefused(t *testing.T) {
	t.Parallel()
	p := newProxy(t, server(t).URL)
	p.Pretend("2.10.29")
	if _, err := Open(t.Context(), config(p.url)); err == nil || !strings.Contains(err.Error(), "nats-server 2.10.29 is too old: "+oldestServer) {
		t.Error(err)
	}
}

func TestNodeWithAnotherNumberOfStreamsLeavesNoneBehind(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	open(t, url, func(c *Config) { c.Partitions = 2 })
	c := config(url)
	for _, c.Partitions = range []int{1, 8} {
		if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "is one of 2") {
			t.Error(err)
		}
	}
	_, js := admin(t, url)
	names := js.StreamNames(t.Context())
	var all []string
	for name := range names.Name() {
		all = append(all, name)
	}
	if err := names.Err(); err != nil || len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
}

func TestStreamOfSomebodyElseWithTheSameSubjectsIsSaid(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	_, js := admin(t, url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{"c.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), config(url)); err == nil || !strings.Contains(err.Error(), "another stream has subjects") {
		t.Error(err)
	}
}

func TestStreamTakesTheLargestMessage(t *testing.T) {
	t.Parallel()
	url := server(t).URL
	nc, js := admin(t, url)
	c := config(url)
	c.MaxMessage = 1000
	tell := func(string, string) {}
	if err := c.Init(t.Context(), nc, tell); err != nil {
		t.Fatal(err)
	}
	c.MaxMessage = 2000
	if _, err := Open(t.Context(), c); !errors.As(err, new(Fault)) || !strings.Contains(err.Error(), "too few for -max-message 2000") {
		t.Error(err)
	}
	if err := c.Init(t.Context(), nc, tell); err != nil {
		t.Fatal(err)
	}
	s := open(t, url, func(to *Config) { to.Partitions, to.History, to.MaxMessage = c.Partitions, c.History, c.MaxMessage })
	r := enter(t, s, "lobby")
	s.Publish("lobby", 1, order.Message{
		ID: strings.Repeat("i", maxID), Name: strings.Repeat("\u00e4", chat.MaxName), Nonce: strings.Repeat("\n", chat.MaxNonce), Payload: make([]byte, c.MaxMessage),
	})
	r.untilPlaced(t, 1)
	if r.placed[1] != 1 {
		t.Error(r.failed)
	}
	stream, err := js.Stream(t.Context(), "chat-0")
	if err != nil || stream.CachedInfo().Config.MaxMsgSize != c.largest() {
		t.Error(err, "or another size")
	}
}
