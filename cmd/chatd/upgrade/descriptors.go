package upgrade

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// descriptors are what a program that is begun gets of this one's, beside the first three.
type descriptors struct {
	fds  []int // are made to stay open, one call each
	open []int // stay open by themselves
}

func (d descriptors) with(more descriptors) descriptors {
	return descriptors{slices.Concat(d.fds, more.fds), slices.Concat(d.open, more.open)}
}

// apart runs f on a thread that has a table of descriptors for itself, a copy of the
// program's in which an exec closes all but d. Nobody else sees that, and it ends with the
// thread, so nothing is to be put right if f fails. What f opens ends there, too.
func (d descriptors) apart(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() { // a program's first thread can't end before it
			done <- d.apart(f)
			runtime.UnlockOSThread()
			return
		}
		// The thread stays locked, and so ends with the goroutine.
		if err := d.share(); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// share makes the calling thread's table of descriptors its own, with d as what stays.
func (d descriptors) share() error {
	stay := slices.Concat(d.fds, d.open)
	slices.Sort(stay)
	if err := closeOthers(stay); err != nil {
		if err := unix.Unshare(unix.CLONE_FILES); err != nil {
			return fmt.Errorf("make a table of descriptors: %w", err)
		}
		if err := closeEachOther(stay); err != nil {
			return err
		}
	}
	for _, fd := range d.fds {
		// It can't block.
		if _, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, 0); errno != 0 {
			return fmt.Errorf("have descriptor %d stay open: %w", fd, errno)
		}
	}
	return nil
}

// closeOthers makes the table the thread's own and has an exec close all but stay, which is
// sorted: one call for each gap. It fails where the kernel is older than 5.11.
func closeOthers(stay []int) error {
	first := 3
	for _, fd := range append(stay, math.MaxInt32) {
		if fd > first {
			if err := unix.CloseRange(uint(first), uint(fd-1), unix.CLOSE_RANGE_UNSHARE|unix.CLOSE_RANGE_CLOEXEC); err != nil {
				return err
			}
		}
		first = max(first, fd+1)
	}
	return nil
}

// closeEachOther is that for older kernels, in a table that is the thread's own already.
func closeEachOther(stay []int) error {
	open, err := os.ReadDir("/proc/thread-self/fd")
	if err != nil {
		return fmt.Errorf("list the descriptors: %w", err)
	}
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if _, stays := slices.BinarySearch(stay, fd); err == nil && fd > 2 && !stays {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
