package room

import (
	"math"
	"sync"
	"sync/atomic"
)

// shardSize is the number of connections of a shard: few enough for a pass to be
// short, enough for the work per message to vanish behind the writes.
const shardSize = 2048

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

// choose finds a shard for a connection and counts it as the shard's: the one
// that has fewest, but a new one while there are fewer than workers, or when all
// are full.
func (all *shards) choose(s *Server) *shard {
	all.mu.Lock()
	defer all.mu.Unlock()
	list := all.all()
	var emptiest *shard
	least := int32(math.MaxInt32)
	for _, sh := range list {
		if n := sh.population.Load(); n < least {
			emptiest, least = sh, n
		}
	}
	if least > 0 && len(list) < s.pool.Workers() || least >= s.shardSize {
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
		if n >= s.server.shardSize {
			return false
		}
		if s.population.CompareAndSwap(n, n+1) {
			return true
		}
	}
}
