package hostile

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// The network that peers vanish with, and the link to it.
const (
	network           = "chatd-far"
	nearEnd, farEnd   = "chatd-near", "chatd-far"
	nearAddr, farAddr = "10.213.77.1", "10.213.77.2"
)

// ErrPrivilege says that there can be no other network here.
var ErrPrivilege = errors.New("another network takes root, and the command ip")

// ip runs the command of that name.
func ip(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

// vanish has peers join from a network of their own, and cuts the link to it.
// They stay where they are, out of reach, until ctx ends.
func vanish(ctx context.Context, t Target, peers int) error {
	_, port, err := net.SplitHostPort(t.Addr)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("ip"); err != nil || unix.Geteuid() != 0 {
		return ErrPrivilege
	}
	defer forget()
	forget() // what a run that was killed has left behind
	for _, args := range []string{
		"netns add " + network,
		"link add " + nearEnd + " type veth peer name " + farEnd + " netns " + network,
		"addr add " + nearAddr + "/30 dev " + nearEnd,
		"link set " + nearEnd + " up",
		"-n " + network + " addr add " + farAddr + "/30 dev " + farEnd,
		"-n " + network + " link set " + farEnd + " up",
	} {
		if err := ip(args); err != nil {
			return fmt.Errorf("%w: %w", ErrPrivilege, err)
		}
	}
	joined := make(chan error, 1)
	var there sync.WaitGroup
	there.Go(func() {
		// It ends with the goroutine: no other shall find itself elsewhere.
		runtime.LockOSThread()
		conns, err := joinFromThere(ctx, Target{Addr: net.JoinHostPort(nearAddr, port)}, peers)
		joined <- err
		<-ctx.Done()
		for _, c := range conns {
			c.end()
		}
	})
	if err = <-joined; err == nil {
		err = ip("link set " + nearEnd + " down")
	}
	<-ctx.Done()
	there.Wait()
	return err
}

func forget() {
	_ = ip("link del " + nearEnd) // there may be none
	_ = ip("netns del " + network)
}

// joinFromThere takes the calling thread to the other network and joins.
func joinFromThere(ctx context.Context, t Target, peers int) (conns []*conn, err error) {
	there, err := os.Open("/run/netns/" + network)
	if err != nil {
		return nil, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPrivilege, err)
	}
	for range peers {
		c := dial(ctx, t)
		if c == nil {
			return conns, errors.New("the server can't be reached over the link: it has to listen on all addresses")
		}
		if conns = append(conns, c); !c.join("") {
			return conns, errors.New("the server does not take the peers")
		}
	}
	return conns, nil
}
