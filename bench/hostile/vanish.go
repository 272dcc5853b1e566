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

// ErrPrivilege says that there can be no other network here.
var ErrPrivilege = errors.New("another network takes root, and the command ip")

// vanish has peers join from a network of their own, and cuts the link to it.
// They stay where they are, out of reach, until ctx ends; up to then they are as
// alive as any.
func vanish(ctx context.Context, t Target, peers int) error {
	_, port, err := net.SplitHostPort(t.Addr)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("ip"); err != nil || unix.Geteuid() != 0 {
		return ErrPrivilege
	}
	n := newNetwork(os.Getpid())
	defer n.remove()
	if err := n.create(); err != nil {
		return fmt.Errorf("%w: %w", ErrPrivilege, err)
	}
	var conns []*conn
	var alive sync.WaitGroup
	defer func() {
		for _, c := range conns {
			c.end()
		}
		alive.Wait()
	}()
	err = n.within(func() error {
		near := t
		near.Addr = net.JoinHostPort(n.nearAddr, port)
		for i := range peers {
			c := dial(ctx, near.of(i))
			if c == nil {
				return errors.New("the server can't be reached over the link: it has to listen on all addresses")
			}
			if conns = append(conns, c); !c.join("") {
				return errors.New("the server does not take the peers")
			}
			alive.Go(conns[len(conns)-1].answerPings)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := n.cut(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// network is another network, and the link to it: a pair of interfaces.
type network struct{ name, near, nearAddr, farAddr string }

// newNetwork gives a network names and addresses, a /30 of 10.213.0.0/16, that
// other processes at the same time have no use for.
func newNetwork(pid int) network {
	subnet := func(host int) string { return fmt.Sprintf("10.213.%d.%d", pid>>6&0xff, pid<<2&0xff|host) }
	return network{fmt.Sprintf("chatd-far%d", pid), fmt.Sprintf("near%d", pid), subnet(1), subnet(2)}
}

func (n network) create() error {
	for _, args := range []string{
		"netns add " + n.name,
		"link add " + n.near + " type veth peer name far netns " + n.name,
		"addr add " + n.nearAddr + "/30 dev " + n.near,
		"link set " + n.near + " up",
		"-n " + n.name + " addr add " + n.farAddr + "/30 dev far",
		"-n " + n.name + " link set far up",
	} {
		if err := ip(args); err != nil {
			return err
		}
	}
	return nil
}

// cut takes the far end down: at this end, the route stays.
func (n network) cut() error { return ip("-n " + n.name + " link set far down") }

func (n network) remove() {
	_ = ip("link del " + n.near) // they need not have been made
	_ = ip("netns del " + n.name)
}

// ip runs the command of that name.
func ip(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

// within calls do on a thread in that network, where its sockets stay.
//
// The thread comes back. Were it to end instead, processes that were started
// from it with Pdeathsig would be killed.
func (n network) within(do func() error) (err error) {
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer here.Close()
	there, err := os.Open("/run/netns/" + n.name)
	if err != nil {
		return err
	}
	defer there.Close()
	runtime.LockOSThread()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("%w: %w", ErrPrivilege, err)
	}
	defer func() {
		if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, back) // and the thread stays locked: nobody else shall use it
			return
		}
		runtime.UnlockOSThread()
	}()
	return do()
}
