// Package tool builds programs that only tests need, as servers of other projects: each
// is a nested module below bench/peers, and is built once, into bin/tools. make tools
// does it, too.
package tool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	_ "chatd/poller/linuxonly"
)

// Path is that of the program of bench/peers/name, whose package is pkg. The program
// that is there is taken, if it is newer than the module's go.mod.
func Path(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := build(name, pkg)
	if err != nil {
		t.Fatalf("%s can't be built: %v", name, err)
	}
	return path
}

func build(name, pkg string) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..")
	module := filepath.Join(root, "bench", "peers", name)
	path := filepath.Join(root, "bin", "tools", name)
	if isNew(path, module) {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o666) // other packages' tests build it, too
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if isNew(path, module) { // somebody else has built it meanwhile
		return path, nil
	}
	// Beside it and then in its place: another test may be running it.
	build := exec.Command("go", "build", "-o", path+".new", pkg)
	build.Dir = module
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, os.Rename(path+".new", path)
}

// isNew reports whether the program is newer than its module's go.mod.
func isNew(path, module string) bool {
	built, err := os.Stat(path)
	if err != nil {
		return false
	}
	wanted, err := os.Stat(filepath.Join(module, "go.mod"))
	return err == nil && built.ModTime().After(wanted.ModTime())
}
