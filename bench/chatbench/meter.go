package main

import (
	"github.com/prometheus/procfs"

	"chatd/bench/result"
)

// meter takes the server's figures of the measured time.
type meter struct {
	server *process
	calls  *tracer // nil: system calls are not counted
	beside *flood  // nil: none; otherwise the server's figures are the flood's, too

	used     usage
	switched switches
	flooded  uint64
}

func (s *scenario) newMeter() (m *meter, err error) {
	m = &meter{server: s.server, beside: s.beside}
	if s.beside != nil {
		return m, s.beside.begin()
	}
	if s.syscalls {
		m.calls, err = traceSyscalls(s.server)
	}
	return m, err
}

// begin begins the measured time.
func (m *meter) begin() (err error) {
	if m.flooded, err = m.beside.delivered(); err != nil {
		return err
	}
	if err = m.calls.begin(); err != nil {
		return err
	}
	m.used, m.switched = m.server.usage(), m.server.switches()
	return nil
}

// end ends it and fills in the figures, when the run has its messages, deliveries
// and time.
func (m *meter) end(run *result.Run) error {
	used, switched := m.server.usage(), m.server.switches()
	if m.beside != nil {
		now, err := m.beside.delivered()
		run.Flood = &result.Flood{Outstanding: m.beside.outstanding, Clients: m.beside.clients, Achieved: float64(now-m.flooded) / run.Seconds}
		return err
	}
	calls, err := m.calls.end()
	run.ServerCPU = used.since(m.used, run.Deliveries)
	if cpu := used.since(m.used, run.Messages); cpu != nil {
		// The switches of a thread that has ended since are gone.
		each := func(now, before uint64) float64 { return (float64(now) - float64(before)) / float64(run.Messages) }
		run.PerMessage = &result.Cost{
			CPU:         *cpu,
			Voluntary:   each(switched.voluntary, m.switched.voluntary),
			Involuntary: each(switched.involuntary, m.switched.involuntary),
			Syscalls:    each(calls, 0),
		}
	}
	return err
}

// close ends what goes on still, if it came to no end.
func (m *meter) close() { m.calls.close() }

// switches is how often the process's threads waited, and had to give way,
// since they began.
type switches struct{ voluntary, involuntary uint64 }

func (p *process) switches() (sum switches) {
	if p == nil {
		return sum
	}
	threads, err := procfs.AllThreads(p.proc.PID)
	if err != nil {
		return sum
	}
	for _, thread := range threads {
		if s, err := thread.NewStatus(); err == nil { // a thread may have ended
			sum.voluntary += s.VoluntaryCtxtSwitches
			sum.involuntary += s.NonVoluntaryCtxtSwitches
		}
	}
	return sum
}
