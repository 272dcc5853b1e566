package room

import "testing"

// Whoever has nothing to do does not run because the program was replaced, whether it has
// run since it became a member or not.
func TestOnlyThoseWithSomethingToDoRunAfterAnUpgrade(t *testing.T) {
	m := newModel()
	m.join(1000, false)
	m.settle()
	c := m.clients[0]
	for _, phase := range []phase{phaseJoining, phaseOpen} {
		c.phase = phase
		c.status.And(^statusWaiting)
		if !c.idles() {
			t.Errorf("in phase %d a silent one has something to do", phase)
		}
		for _, called := range []uint32{statusLeft, statusReleased, statusFull, statusExpired, statusCrowded} {
			c.status.Or(called)
			if c.idles() {
				t.Errorf("in phase %d one with the status %b has nothing to do", phase, called)
			}
			c.status.And(^called)
		}
	}
	c.remember()
	if c.idles() {
		t.Error("one with half a frame has nothing to do")
	}
}
