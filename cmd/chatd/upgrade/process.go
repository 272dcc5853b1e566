package upgrade

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// running is a chatd that may be asked.
type running struct {
	pid     int
	command string
}

// running are the servers that this user may ask: the user's own, or, for root, all.
func servers() ([]running, error) {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, err
	}
	all, err := proc.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	var found []running
	for _, p := range all {
		if command, ok := serves(p); ok && mayAsk(p) {
			found = append(found, running{p.PID, command})
		}
	}
	slices.SortFunc(found, func(a, b running) int { return cmp.Compare(a.pid, b.pid) })
	return found, nil
}

// serves reports whether p is a server, by how it was started: chatd, without a command.
func serves(p procfs.Proc) (command string, ok bool) {
	args, err := p.CmdLine()
	if err != nil || len(args) == 0 || p.PID == os.Getpid() || slices.Contains(args, "-"+Flag) {
		return "", false // err: it has ended
	}
	name := filepath.Base(args[0])
	if !strings.HasPrefix(name, "chatd") && name != filepath.Base(os.Args[0]) {
		return "", false
	}
	return strings.Join(args, " "), len(args) == 1 || strings.HasPrefix(args[1], "-")
}

// mayAsk reports whether this process may send p a signal.
func mayAsk(p procfs.Proc) bool {
	if os.Geteuid() == 0 {
		return true
	}
	status, err := p.NewStatus()
	return err == nil && status.UIDs[0] == uint64(os.Geteuid())
}

// choose is the server that is meant: pid, or, if that is 0, the only one.
func choose(pid int) (int, error) {
	if pid == 0 {
		return only(servers())
	}
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, fmt.Errorf("there is no process %d", pid)
	}
	if command, ok := serves(p); !ok { // to which the signal may be the end
		return 0, fmt.Errorf("process %d is no server of chatd: %s", pid, cmp.Or(command, "it is another program"))
	}
	return pid, nil
}

// only is the only one.
func only(all []running, err error) (int, error) {
	switch {
	case err != nil:
		return 0, err
	case len(all) == 0:
		return 0, errors.New("no chatd of this user's runs here")
	case len(all) == 1:
		return all[0].pid, nil
	}
	var b strings.Builder
	b.WriteString("there are several: say which by -pid")
	for _, r := range all {
		fmt.Fprintf(&b, "\n  %d\t%s", r.pid, r.command)
	}
	return 0, errors.New(b.String())
}
