package jetstream

import (
	"cmp"
	"log/slog"
	"time"
)

// Config says where the order comes from, and how much is kept.
type Config struct {
	URLs       []string // of NATS servers; more are learnt from them
	Creds      string   // file of credentials; empty: none
	CA         string   // file of certificates by which servers are verified; empty: the system's
	Partitions int      // streams that rooms are spread over; 0: DefaultPartitions
	Replicas   int      // of each stream that is made; 0: 3 in a cluster, else 1
	History    int      // messages that are kept of a room; 0: its last one, for its place
	Age        time.Duration
	MaxMessage int // bytes of the largest message; 0: not checked

	// Tests change these.

	patience time.Duration // 0: defaultPatience
	behind   int           // copies that a dispatcher may be behind; 0: copiesQueued

	PublishTime Observer     // seconds from Publish until a stream has it; nil: not timed
	Log         *slog.Logger // nil: nowhere
}

// Observer takes the values of a histogram. One goroutine calls it.
type Observer interface{ Observe(float64) }

// DefaultPartitions is how many streams there are if nobody says so.
const DefaultPartitions = 16

// MaxPartitions is far beyond what a cluster needs.
const MaxPartitions = 1024

func (c Config) withDefaults() Config {
	c.Partitions = cmp.Or(c.Partitions, DefaultPartitions)
	c.patience = cmp.Or(c.patience, defaultPatience)
	c.behind = cmp.Or(c.behind, copiesQueued)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// perRoom is how many messages a stream keeps of each room: twice as many as are shown. What
// was said again, while it was not known whether it had been kept, may be there twice. A room
// knows the second one as long as it keeps the first; one that begins later has to know both.
// None at all can't be said: 0 means any number to NATS.
func (c Config) perRoom() int { return max(1, 2*c.History) }

// age is for how long a stream keeps messages, 0: for ever. It is longer than they are shown,
// for the same reason: something is said again within a minute.
func (c Config) age() time.Duration {
	if c.Age > 0 {
		return c.Age + time.Minute
	}
	return 0
}

// Times. What was published is sent again for a while, and the streams know it again
// for longer.
const (
	defaultPatience = 10 * time.Second // for a message to be kept
	answerTime      = 2 * time.Second  // for a stream to acknowledge
	duplicateWindow = 30 * time.Second
	requestTime     = 5 * time.Second        // for everything else that is asked
	peerTime        = 500 * time.Millisecond // for another node's history
	peerSilence     = 5 * time.Second        // for which none is asked when one did not answer
	tailInterval    = 3 * time.Second
	grace           = 5 * time.Second // a room that was left may be entered again
	unreadyAfter    = 5 * time.Second // without NATS
)

// Limits.
const (
	laneMessages    = 1024      // of a partition that may be under way
	laneBytes       = 4 << 20   // of these
	maxUnsent       = 1 << 16   // messages that wait
	maxUnsentBytes  = 256 << 20 // of these
	copiesQueued    = 1 << 16   // that a dispatcher may be behind; more are dropped, and then read
	maxWaiting      = 4096      // copies of a room that is being read; more are read, too
	maxWaitingBytes = 64 << 20  // of a dispatcher's rooms
	readsAtOnce     = 4         // of a partition
	manyRooms       = 50        // that wait for their history: the whole partition is read
	scansAtOnce     = 2         // of all partitions
	peersAtOnce     = 32
	dispatchers     = 4
	multiLastMost   = 1024 // rooms in one question; the server's limit
)
