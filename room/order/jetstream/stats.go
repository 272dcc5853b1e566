package jetstream

import "sync/atomic"

// Stats are counts since the Source was opened.
type Stats struct {
	Waiting       int    // messages that were published and are not told yet
	Failed        uint64 // that have got no place
	Copies        uint64 // that came
	Duplicates    uint64 // copies that were told already
	Filled        uint64 // messages that were read because their copies did not come
	Resets        uint64 // streams that began anew
	TailChecks    uint64 // questions for rooms' last messages
	PeersAsked    uint64 // histories that another node told
	PeersAnswered uint64 // that another node was told
	Read          uint64 // histories that were read from a stream
	Scans         uint64 // streams that were read as a whole for many rooms
	Reconnects    uint64
	SlowConsumer  uint64 // times that copies were dropped because they were not taken in time
	Nodes         int    // others that are heard
	Connected     bool
}

type stats struct {
	failed, copies, duplicates, filled, resets, tails, peers, peersAnswered, read, scans, reconnects, slow atomic.Uint64
}

// Stats may be called by anybody.
func (s *Source) Stats() Stats {
	return Stats{
		Waiting:       s.pending.len(),
		Failed:        s.stats.failed.Load(),
		Copies:        s.stats.copies.Load(),
		Duplicates:    s.stats.duplicates.Load(),
		Filled:        s.stats.filled.Load(),
		Resets:        s.stats.resets.Load(),
		TailChecks:    s.stats.tails.Load(),
		PeersAsked:    s.stats.peers.Load(),
		PeersAnswered: s.stats.peersAnswered.Load(),
		Read:          s.stats.read.Load(),
		Scans:         s.stats.scans.Load(),
		Reconnects:    s.stats.reconnects.Load(),
		SlowConsumer:  s.stats.slow.Load(),
		Nodes:         s.counts.others(),
		Connected:     s.away.Load() == 0,
	}
}
