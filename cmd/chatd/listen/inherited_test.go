package listen

import (
	"os"
	"strconv"
	"testing"
)

func TestVariablesOfPassedSocketsAreGoneAfterwards(t *testing.T) {
	for _, pid := range []int{os.Getpid(), 1} { // 1: they were passed to another process
		t.Setenv("LISTEN_PID", strconv.Itoa(pid))
		t.Setenv("LISTEN_FDS", strconv.Itoa(0))
		t.Setenv("LISTEN_FDNAMES", "x")
		if in, err := Inherit(); err != nil || in != (Inherited{}) {
			t.Errorf("%+v, %v", in, err)
		}
		for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
			if v, ok := os.LookupEnv(name); ok {
				t.Errorf("%s is %q", name, v)
			}
		}
	}
}
