package upgrade

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	_ "chatd/poller/linuxonly"
)

// replace has p run in this process from its beginning, with the descriptors that are
// passed. It returns only if that can't be, or ctx has ended, and all is as before.
func replace(ctx context.Context, p Program) error {
	// The timer of a profile would go on over the exec, and its signal is the end of a
	// program that has not yet said what to do with it.
	pprof.StopCPUProfile()
	// Signals that come from now on are the new program's: the thread that it begins with
	// is this one, and holds them until somebody there wants them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := hold(unix.SIG_BLOCK); err != nil {
		return fmt.Errorf("hold signals: %w", err)
	}
	defer hold(unix.SIG_UNBLOCK)
	time.Sleep(caughtTime)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &os.PathError{Op: "exec", Path: p.Path, Err: syscall.Exec(p.Path, p.Args, p.Env)}
}

// caughtTime is for a signal that was caught just before to be heard of.
const caughtTime = time.Millisecond

// hold has all threads hold back the signals that are a server's, or not: one that is caught
// by any of them in the program's last moment would be forgotten with it.
func hold(how uintptr) error {
	set := sigset(unix.SIGUSR1, unix.SIGUSR2, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(set)), 0, signals/8, 0, 0)
	if errno == syscall.ENOTSUP { // the program is linked with C
		return unix.PthreadSigmask(int(how), set, nil)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// signals is how many the kernel knows.
const signals = 64

// sigset is a set of signals.
func sigset(signals ...unix.Signal) *unix.Sigset_t {
	var set unix.Sigset_t
	bits := 8 * int(unsafe.Sizeof(set.Val[0]))
	for _, s := range signals {
		set.Val[int(s-1)/bits] |= 1 << (int(s-1) % bits)
	}
	return &set
}

// pass has programs that are begun from now on get fds, and no others but the first
// three: libraries make some that would stay.
func pass(fds []int) error {
	if err := keep(); err != nil {
		return err
	}
	for _, fd := range fds {
		// It can't block.
		if _, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, 0); errno != 0 {
			return fmt.Errorf("have descriptor %d stay open: %w", fd, errno)
		}
	}
	return nil
}

// keep has all descriptors be this program's alone, but for the first three.
func keep() error {
	if unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd") // the kernel is older than 5.11
	if err != nil {
		return fmt.Errorf("list the descriptors: %w", err)
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}
