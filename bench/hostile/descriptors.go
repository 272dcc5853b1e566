package hostile

import (
	"context"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// sparedDescriptors are those that the server still has for the peers.
const sparedDescriptors = 100

// exhaustDescriptors lowers the server's limit, and has peers connect that say
// nothing, again and again.
func exhaustDescriptors(ctx context.Context, t Target, peers int) error {
	restore, err := t.spareDescriptors(sparedDescriptors)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for range peers {
		all.Go(func() {
			again(ctx, 4, func() {
				if c := dial(ctx, t); c != nil {
					c.drain()
					c.end()
				}
			})
		})
	}
	all.Wait()
	return restore()
}

// spareDescriptors leaves the server so many more than it has open.
func (t Target) spareDescriptors(n int) (restore func() error, err error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", t.PID))
	if err != nil {
		return nil, err
	}
	var before unix.Rlimit
	if err := unix.Prlimit(t.PID, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		return nil, err
	}
	lowered := unix.Rlimit{Cur: uint64(len(open) + n), Max: before.Max}
	if err := unix.Prlimit(t.PID, unix.RLIMIT_NOFILE, &lowered, nil); err != nil {
		return nil, err
	}
	return func() error { return unix.Prlimit(t.PID, unix.RLIMIT_NOFILE, &before, nil) }, nil
}
