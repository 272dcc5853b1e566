package upgrade

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"chatd/room/carry"
)

// stateVariable has the descriptor of the state in a program that replaces another one.
const stateVariable = "CHATD_STATE_FD"

// Flag is what the new program is begun with when it is tried.
const Flag = "verify-state"

// What passes between a program and the one that it tries.
const (
	readyLine = "chatd-state ready"
	goLine    = "chatd-state go"
	goodLine  = "chatd-state good"
)

// State is what the program before has left for this one, or, in one that is tried, would
// leave. It is one goroutine's.
type State struct {
	// Process reads the process's part, behind what is this package's.
	Process *carry.Reader
	Trial   bool // this program is only tried

	memory memory
	mapped []byte
}

// Inherit takes the state over, if there is one; if not, it is nil. The variable that tells
// of it is gone afterwards. Trial says that this program is only tried.
func Inherit(trial bool) (*State, error) {
	value, given := os.LookupEnv(stateVariable)
	if err := os.Unsetenv(stateVariable); err != nil {
		return nil, err
	}
	switch {
	case !given && trial:
		return nil, errors.New("-" + Flag + " is for the server that is to be replaced, which has a state to be verified: chatd upgrade asks one to be")
	case !given:
		return nil, nil
	}
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s in the environment is %q, which is no descriptor of a state", stateVariable, value)
	}
	s := &State{Trial: trial, memory: memory{os.NewFile(uintptr(fd), "chatd-state")}}
	b, err := s.memory.process()
	if err != nil {
		return nil, err
	}
	if s.Process, err = carry.NewReader(b); err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	s.Process.Section("process")
	pid, here := int(s.Process.Int()), os.Getpid()
	if trial {
		here = os.Getppid()
	}
	if err := s.Process.Err(); err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	if pid != here {
		return nil, fmt.Errorf("the state is that of process %d, and this one can't replace it: a script that begins chatd has to exec it", pid)
	}
	return s, nil
}

// Server reads the server's part. When the program is tried, it says that it is ready for
// that, and waits until there is one.
func (s *State) Server() (*carry.Reader, error) {
	if s.Trial {
		fmt.Println(readyLine)
		if in := bufio.NewScanner(os.Stdin); !in.Scan() || in.Text() != goLine {
			return nil, errors.New("the server that is to be replaced has given it up")
		}
	}
	mapped, part, err := s.memory.server()
	if err != nil {
		return nil, err
	}
	r, err := carry.NewReader(part)
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	s.mapped = mapped
	if s.Trial {
		r.Stays()
	}
	return r, nil
}

// Good says that the program, which is tried, can go on with all that there is.
func (s *State) Good() { fmt.Println(goodLine) }

// wipe is for who has read all of it.
func (s *State) wipe() error {
	return errors.Join(unix.Munmap(s.mapped), s.memory.wipe())
}
