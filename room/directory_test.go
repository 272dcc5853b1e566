package room

import (
	"testing"

	"chatd/room/handshake"
	"chatd/room/position"
)

// A hub that has seen a second begin before the directory goes on to be looked after.
func TestHubThatIsAheadOfTheDirectoryIsNotForgotten(t *testing.T) {
	m := newModel()
	m.arrive(handshake.DefaultRoom, 0, rawStream, position.Since{})
	m.settle()
	m.publish(handshake.DefaultRoom, op{})
	m.settle()
	h := m.lobby()
	for range ticksPerSecond {
		m.server.Tick()
		h.Run(m.worker)
		m.settle()
	}
	for range (rateSeconds + 2) * ticksPerSecond {
		m.tick()
	}
	if h.meter.Load() != nil {
		t.Error("the rate of a room that is quiet is still measured")
	}
}
