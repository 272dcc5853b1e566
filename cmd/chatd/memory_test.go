package main

import "testing"

func (t *tidier) hold(conns int64, ticks uint32) {
	for range ticks {
		t.tick(conns)
	}
}

func TestMemoryIsGivenBackOnceManyHaveComeOrGone(t *testing.T) {
	collected := make(chan bool, 10)
	tidy := tidier{collect: func() { collected <- true }}
	tidy.hold(5000, calmTicks)
	tidy.hold(5200, calmTicks) // still coming: it was not calm for long enough
	if len(collected) != 0 || tidy.tidied != 0 {
		t.Fatal("it collects while connections come")
	}
	tidy.hold(5200, 1)
	<-collected
	tidy.hold(5200, 10*calmTicks)
	tidy.hold(5400, 2*calmTicks) // a few more
	if len(collected) != 0 || tidy.tidied != 5200 {
		t.Fatal("it collects for a few connections, or without a change")
	}
	tidy.hold(100, 2*calmTicks) // many have gone
	<-collected
}

func TestMemoryIsGivenBackWhileAFewComeAndGo(t *testing.T) {
	tidy := tidier{collect: func() {}}
	for i := range 2 * int64(calmTicks) {
		tidy.tick(5000 + i%2)
	}
	if tidy.tidied == 0 {
		t.Error("it waits for a calm that never comes")
	}
}

func TestMemoryIsGivenBackWhenManyHaveGoneOneByOne(t *testing.T) {
	tidy := tidier{tidied: 5000, last: 5000, collect: func() {}}
	for conns := int64(5000); conns >= 4000; conns-- {
		tidy.tick(conns)
	}
	if tidy.tidied != 4000 {
		t.Errorf("it collected at %d connections, want 4000", tidy.tidied)
	}
}

// By TLS they can't come any faster, and what the last of them leave behind counts, too.
func TestMemoryIsGivenBackOnceACrowdHasComeSlowly(t *testing.T) {
	tidy := tidier{collect: func() {}}
	for conns := int64(0); conns <= 20_000; conns += 30 {
		tidy.tick(conns)
	}
	if tidy.tidied != 0 {
		t.Errorf("it collects at %d, while they come", tidy.tidied)
	}
	tidy.hold(20_000, 2*calmTicks)
	if tidy.tidied != 20_000 {
		t.Errorf("it collected at %d connections", tidy.tidied)
	}
}
