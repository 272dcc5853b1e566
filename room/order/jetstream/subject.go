package jetstream

import (
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"
	"time"
)

// Subjects: c.3.lobby is what is published in the room lobby, of partition 3, and
// kept; r.3.lobby are the copies; h.3.lobby asks nodes for history.
const (
	publishedIn = "c."
	copiesIn    = "r."
	historyOf   = "h."
)

// toToken is a room's name as a subject's last token: a dot would end it.
var toToken = strings.NewReplacer(".", "=")

// partitionOf is the partition, of n, that a room is in.
func partitionOf(room string, n int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(room)) // never fails
	return int(h.Sum32() % uint32(n))
}

func subject(prefix string, partition int, token string) string {
	return prefix + strconv.Itoa(partition) + "." + token
}

// cut is the partition and the token of a subject.
func cut(subject string) (partition int, token string, ok bool) {
	_, rest, ok := strings.Cut(subject, ".")
	if !ok {
		return 0, "", false
	}
	number, token, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, "", false
	}
	partition, err := strconv.Atoi(number)
	return partition, token, err == nil
}

// life tells a stream's lives apart: the numbers of one mean nothing in another.
type life struct {
	created    time.Time
	generation uint64
}

// epoch is that of a room.
func (l life) epoch(token string) uint32 {
	h := fnv.New32a()
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(l.created.UnixNano()))
	binary.BigEndian.PutUint64(b[8:], l.generation)
	_, _ = h.Write(b[:])
	_, _ = h.Write([]byte(token))
	return max(1, h.Sum32())
}
