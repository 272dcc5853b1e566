package upgrade

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	_ "chatd/poller/linuxonly"
)

// replace has p run in this process from its beginning, with the descriptors in handed. It
// returns only if that can't be, or ctx has ended, and all is as before.
func replace(ctx context.Context, p Program, handed descriptors) error {
	// The timer of a profile would go on over the exec, and its signal is the end of a
	// program that has not yet said what to do with it.
	pprof.StopCPUProfile()
	return handed.apart(func() error {
		// Signals that come from now on are the new program's: the thread that it begins
		// with is this one, and holds them until somebody there wants them.
		if err := hold(unix.SIG_BLOCK); err != nil {
			return fmt.Errorf("hold signals: %w", err)
		}
		defer hold(unix.SIG_UNBLOCK)
		time.Sleep(caughtTime)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &os.PathError{Op: "exec", Path: p.Path, Err: syscall.Exec(p.Path, p.Args, p.Env)}
	})
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
