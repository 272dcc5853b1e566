package upgrade

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Program is a program as it was started.
type Program struct {
	Path string   // of its file, absolute
	Args []string // with its name
	Env  []string
}

// Started is the running program. It is to be called before anything changes the
// environment or the working directory.
func Started() Program {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "LISTEN_") || strings.HasPrefix(entry, stateVariable+"=")
	})
	return Program{Path: located(os.Args[0]), Args: os.Args, Env: env}
}

// located is the path of the running program, which was started as name. If that leads to
// it, it is the better one: it may be a link that is led to the next version, and it is
// still a path once the file is replaced.
func located(name string) string {
	self, err := os.Executable()
	if err != nil {
		return name
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return self
	}
	if path, err = filepath.Abs(path); err != nil {
		return self
	}
	a, err := os.Stat(path)
	b, err2 := os.Stat("/proc/self/exe")
	if errors.Join(err, err2) != nil || !os.SameFile(a, b) {
		return strings.TrimSuffix(self, " (deleted)")
	}
	return path
}

// at is the program in another file.
func (p Program) at(path string) Program {
	p.Args = slices.Clone(p.Args)
	p.Path, p.Args[0] = path, path
	return p
}

// with is the program with more in its environment.
func (p Program) with(entries ...string) Program {
	p.Env = append(slices.Clone(p.Env), entries...)
	return p
}

// unsupervised is the environment without what is for the service manager's main process
// alone.
func (p Program) unsupervised() []string {
	return slices.DeleteFunc(slices.Clone(p.Env), func(entry string) bool {
		return strings.HasPrefix(entry, "NOTIFY_SOCKET=") || strings.HasPrefix(entry, "WATCHDOG_")
	})
}

// look looks at the program's file.
func (p Program) look() (fs.FileInfo, error) {
	info, err := os.Stat(p.Path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", p.Path)
	case info.Mode()&0o111 == 0:
		return nil, fmt.Errorf("%s is not executable", p.Path)
	}
	return info, nil
}

// unchanged reports whether the program's file is what look has seen.
func (p Program) unchanged(seen fs.FileInfo) bool {
	now, err := os.Stat(p.Path)
	return err == nil && os.SameFile(now, seen) && now.Size() == seen.Size() && now.ModTime().Equal(seen.ModTime())
}
