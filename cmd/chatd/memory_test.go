package main

import "testing"

func TestMemoryIsGivenBackOnceManyHaveComeOrGone(t *testing.T) {
	collected := make(chan bool, 10)
	tidy := tidier{collect: func() { collected <- true }}
	hold := func(conns int64, ticks uint32) {
		for range ticks {
			tidy.tick(conns)
		}
	}
	hold(5000, calmTicks)
	hold(5100, calmTicks) // still coming: it was not calm for long enough
	if len(collected) != 0 {
		t.Fatal("it collects while connections come")
	}
	hold(5100, 1)
	<-collected
	hold(5100, 10*calmTicks)
	hold(5200, 2*calmTicks) // a few more
	hold(100, 2*calmTicks)  // many have gone
	<-collected
	if len(collected) != 0 {
		t.Fatal("it collects for a few connections, or without a change")
	}
}
