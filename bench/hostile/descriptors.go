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
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", t.PID))
	if err != nil {
		return err
	}
	var before unix.Rlimit
	limit := unix.Rlimit{Cur: uint64(len(open) + sparedDescriptors)}
	if err := unix.Prlimit(t.PID, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		return err
	}
	limit.Max = before.Max
	if err := unix.Prlimit(t.PID, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
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
	return unix.Prlimit(t.PID, unix.RLIMIT_NOFILE, &before, nil)
}
