package room

import (
	"sync"
	"sync/atomic"
)

const (
	// shardSize is the number of members of a roster: few enough for a pass to be
	// short, enough for the work per message to vanish behind the writes. A shard
	// with so many connections gets no new rooms.
	shardSize = 2048
	// growth is how many times that a shard may have in the end: rooms of a few
	// members are to stay in one shard, whatever the order in which those come.
	growth = 4
	// maxRosters is the number of rosters with which a shard gets no new rooms: in
	// rooms of growth*shardSize/maxRosters members, each finds its place there.
	maxRosters = 512
	// eventSlice is how many who come, or ask for something, a shard deals with before
	// the next pass: well under a millisecond.
	eventSlice = 32
)

// shards are all of a server's. Hubs look for one when a room needs a new
// roster; that is no matter of messages, so a lock is good enough.
type shards struct {
	mu   sync.Mutex               // held while one is chosen
	list atomic.Pointer[[]*shard] // replaced when one is added
}

// all is those that there are; not to be changed.
func (all *shards) all() []*shard {
	if list := all.list.Load(); list != nil {
		return *list
	}
	return nil
}

// choose finds a shard for a new roster and counts its first connection as the
// shard's: the one that has fewest, but a new one while there are fewer than
// workers, or when none takes any more.
func (all *shards) choose(s *Server) *shard {
	all.mu.Lock()
	defer all.mu.Unlock()
	list := all.all()
	var emptiest *shard
	least := s.shardSize
	for _, sh := range list {
		if n := sh.population.Load(); n < least && sh.rosterCount.Load() < maxRosters {
			emptiest, least = sh, n
		}
	}
	if emptiest == nil || least > 0 && len(list) < s.pool.Workers() {
		emptiest = newShard(s)
		longer := append(append(make([]*shard, 0, len(list)+1), list...), emptiest)
		all.list.Store(&longer)
	}
	emptiest.population.Add(1)
	return emptiest
}

// reserve counts a connection as the shard's, unless that is full.
func (s *shard) reserve() bool {
	for {
		n := s.population.Load()
		if n >= growth*s.server.shardSize {
			return false
		}
		if s.population.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
