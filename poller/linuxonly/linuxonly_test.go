package linuxonly

import (
	"os/exec"
	"strings"
	"testing"
)

// Every package of the module that works on Linux alone has to import this one,
// or the build says what it lacks instead.
func TestBuildForAnotherSystemFailsWithOneSentence(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "build", "chatd/cmd/chatd", "chatd/bench/chatbench", "chatd/bench/million")
	cmd.Env = append(cmd.Environ(), "GOOS=darwin", "GOFLAGS=", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("it is built")
	}
	said := 0
	for line := range strings.Lines(string(out)) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.Contains(line, `"chatd runs on Linux only, as it is built on epoll: set GOOS=linux"`):
			said++
		default:
			t.Errorf("it says %s", line)
		}
	}
	if said != 1 {
		t.Errorf("the sentence is said %d times:\n%s", said, out)
	}
}
