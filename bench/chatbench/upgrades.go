package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// replaced is what an upgrade in place says of itself.
type replaced struct {
	carried, left int // connections
	unserved      time.Duration
}

// upgradeInPlace has the server of that process, begun by command, replace its program by
// next, or by itself.
func upgradeInPlace(command string, pid int, next string) (r replaced, err error) {
	args := []string{"upgrade", "-pid", strconv.Itoa(pid)}
	if next != "" {
		args = append(args, next)
	}
	said, err := exec.Command(strings.Fields(command)[0], args...).CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("no upgrade: %w: %s", err, strings.ReplaceAll(strings.TrimSpace(string(said)), "\n", " "))
	}
	return readReplaced(string(said))
}

// readReplaced reads the answer of chatd upgrade.
func readReplaced(said string) (r replaced, err error) {
	_, rest, _ := strings.Cut(said, "is upgraded: ")
	var what, unserved string
	if _, err = fmt.Sscanf(rest, "%d %s carried, %d not; nobody was served for %s", &r.carried, &what, &r.left, &unserved); err == nil {
		r.unserved, err = time.ParseDuration(unserved)
	}
	if err != nil {
		return r, fmt.Errorf("an upgrade that says %q: %w", said, err)
	}
	return r, nil
}
