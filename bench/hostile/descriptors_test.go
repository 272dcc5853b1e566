package hostile

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// Those who find no descriptor wait in the backlog, which costs chatd nothing,
// and are served when others go.
func TestServerWithoutDescriptorsWaitsQuietlyAndGoesOn(t *testing.T) {
	const idle, waiting = 100, 50
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	chatd, err := StartChatd(ctx, program, "-handshake-timeout", "10m")
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			_ = chatd.Stop()
		}
	}()
	// From now on, scrapes have a connection.
	if err := chatd.Until(ctx, "chatd_connections", func(v float64) bool { return v == 0 }); err != nil {
		t.Fatal(err)
	}
	if _, err := chatd.spareDescriptors(idle); err != nil {
		t.Fatal(err)
	}
	var conns []*conn // chatd takes them in this order
	for range idle + waiting {
		c := dial(ctx, chatd.Target)
		if c == nil {
			t.Fatal("a connection is refused")
		}
		defer c.end()
		conns = append(conns, c)
	}
	const pauses = `chatd_accept_pauses_total{reason="descriptors"}`
	if err := chatd.Until(ctx, pauses, func(v float64) bool { return v >= 1 }); err != nil {
		t.Fatal(err)
	}
	taken, err := chatd.Metric(ctx, "chatd_connections")
	if err != nil {
		t.Fatal(err)
	}
	if taken < idle/2 || taken > idle+waiting/2 { // chatd itself opens and closes a few
		t.Fatalf("%.0f connections taken with %d descriptors", taken, idle)
	}
	proc, err := procfs.NewProc(chatd.PID)
	if err != nil {
		t.Fatal(err)
	}
	spent := func() float64 {
		s, err := proc.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return s.CPUTime()
	}
	before := spent()
	pause(ctx, time.Second) // what is measured, not waited for
	s := spent() - before
	t.Logf("%.2f s of processor time in a second", s)
	if s > 0.5 { // one that asks again and again takes all of it
		t.Errorf("chatd has nothing to do, and takes %.2f s of a second", s)
	}
	served, rest := conns[int(taken):], conns[:int(taken)]
	for _, c := range rest {
		c.end()
	}
	for i, c := range served {
		if !c.join("") {
			t.Fatalf("connection %d of %d that waited is not served", i+1, len(served))
		}
	}
	if v, err := chatd.Metric(ctx, pauses); err != nil || v != 1 {
		t.Errorf("%v pauses, %v", v, err)
	}
	stopped = true
	for _, c := range served {
		c.end()
	}
	if err := chatd.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(chatd.Log(), "out of file descriptors"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, chatd.Log())
	}
}
