package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// builds are of the programs that tests run, each of which is built once: by its directory
// and the arguments of go build, funcs that return its path.
var builds sync.Map

// removeBuilt removes the programs. Nobody runs them any more.
func removeBuilt() {
	for _, build := range builds.Range {
		if path, err := build.(func() (string, error))(); err == nil {
			os.RemoveAll(filepath.Dir(path))
		}
	}
}

// built is the program that go build makes below dir of what args say.
func built(t *testing.T, dir string, args ...string) string {
	t.Helper()
	build, _ := builds.LoadOrStore(fmt.Sprint(dir, args), sync.OnceValues(func() (string, error) {
		to, err := os.MkdirTemp("", "built")
		if err != nil {
			return "", err
		}
		path := filepath.Join(to, "server")
		build := exec.Command("go", append([]string{"build", "-o", path}, args...)...)
		build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=1") // for -race
		if out, err := build.CombinedOutput(); err != nil {
			os.RemoveAll(to)
			return "", fmt.Errorf("%w\n%s", err, out)
		}
		return path, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// builtChatd is chatd.
func builtChatd(t *testing.T, flags ...string) string {
	t.Helper()
	return built(t, "../..", append(flags, "./cmd/chatd")...)
}
