package main

import (
	"fmt"
	"log/slog"
	"syscall"

	"chatd/cmd/chatd/check"
)

// roomMemory is about what a room takes beyond its members, in bytes: what it is,
// its name, and a few messages in its log.
const roomMemory = 2 << 10

// roomLimit is how many rooms to have at a time: wanted, or, if that is 0, as many
// as half of the machine's memory has room for.
func roomLimit(wanted int, m check.Machine) int {
	if wanted > 0 {
		return wanted
	}
	return int(max(1, min(m.Memory, m.CgroupLimit-m.CgroupUsed)/2/roomMemory))
}

// reservedFiles is how many descriptors are left for what is no client's:
// epoll, the listener, logs, assets, connections on their way to net/http.
const reservedFiles = 64

// connLimit raises the file descriptor limit as far as it goes and returns how
// many connections to take at a time: wanted, or, if that is 0, as many as fit
// beside others.
func connLimit(wanted, others int, log *slog.Logger) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the file descriptor limit: %w", err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return 0, fmt.Errorf("raise the file descriptor limit to %d: %w", limit.Max, err)
		}
	}
	log.Info("file descriptor limit", "limit", limit.Cur)
	others += reservedFiles
	room := int(limit.Cur) - others
	switch {
	case room < 1:
		return 0, fmt.Errorf("the file descriptor limit is %d: raise it above %d (ulimit -n)", limit.Cur, others)
	case wanted > room:
		return 0, fmt.Errorf("-max-conns is %d, but the file descriptor limit of %d leaves room for %d: raise it (ulimit -n) or lower -max-conns", wanted, limit.Cur, room)
	case wanted > 0:
		return wanted, nil
	}
	return room, nil
}
