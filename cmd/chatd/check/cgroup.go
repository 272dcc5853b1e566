package check

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/procfs"
)

// hierarchy is where a version of cgroups keeps what it knows of memory.
type hierarchy struct {
	mount, limit, used, cache string // cache: the key in memory.stat of file pages to be had back first
}

var (
	v1 = hierarchy{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
	v2 = hierarchy{"sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"}
)

// cgroupMemory is the memory limit of the cgroup that leaves the least to use,
// of this process's and those above them, and what is used; Unlimited if none
// has a limit.
func cgroupMemory(root string, self procfs.Proc) (limit, used int64, err error) {
	groups, err := self.Cgroups()
	switch {
	case errors.Is(err, fs.ErrNotExist): // a kernel without cgroups
		return Unlimited, 0, nil
	case err != nil:
		return 0, 0, fmt.Errorf("read /proc/self/cgroup: %w", err)
	}
	limit = Unlimited
	for _, g := range groups {
		h := v2
		switch {
		case slices.Contains(g.Controllers, "memory"):
			h = v1
		case g.HierarchyID != 0: // another controller of version 1
			continue
		}
		// A container may see a path of its host here, and its own cgroup at the
		// mount point: what is not there is passed over.
		for p := path.Clean("/" + g.Path); ; p = path.Dir(p) {
			l, u, err := h.memory(filepath.Join(root, h.mount, p))
			if err != nil {
				return 0, 0, fmt.Errorf("read the memory limit of cgroup %s: %w", p, err)
			}
			if l-u < limit-used {
				limit, used = l, u
			}
			if p == "/" {
				break
			}
		}
	}
	return limit, used, nil
}

// memory is the limit of the cgroup in dir, and what of it is used.
func (h hierarchy) memory(dir string) (limit, used int64, err error) {
	limit, err = readBytes(filepath.Join(dir, h.limit))
	if errors.Is(err, fs.ErrNotExist) || limit == Unlimited {
		return Unlimited, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	used, err = readBytes(filepath.Join(dir, h.used))
	if err != nil {
		return 0, 0, err
	}
	cache, err := h.readCache(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return 0, 0, err
	}
	return limit, max(0, used-cache), nil
}

// readBytes reads a file with a number of bytes, or "max".
func readBytes(name string) (int64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	text = bytes.TrimSpace(text)
	if string(text) == "max" {
		return Unlimited, nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %q is no number of bytes", filepath.Base(name), text)
	}
	if n > Unlimited-1<<20 { // version 1 rounds "no limit" down to a page
		n = Unlimited
	}
	return n, nil
}

func (h hierarchy) readCache(name string) (int64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(text) {
		if key, value, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" ")); ok && string(key) == h.cache {
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("memory.stat: %s is %q", h.cache, value)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("memory.stat has no %s", h.cache)
}
