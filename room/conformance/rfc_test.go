package conformance_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"chatd/room/conformance"
)

// TestEveryRuleNamesTestsThatExist reads the table of rules.
func TestEveryRuleNamesTestsThatExist(t *testing.T) {
	table, err := os.ReadFile("../RFC6455.md")
	if err != nil {
		t.Fatal(err)
	}
	cases, tests := conformance.Cases(), testsUnder(t, "..")
	exists := func(name string) bool {
		if !strings.HasPrefix(name, "RFC") {
			return tests[name]
		}
		for _, c := range cases {
			if ok, err := path.Match(name, c.Name); ok || err != nil {
				return err == nil
			}
		}
		return false
	}
	row := regexp.MustCompile(`^\| [0-9.]+ \| [^|]+ \| ([^|]+) \|$`)
	quoted := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(string(table)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") || line == "|---|---|---|" || strings.HasPrefix(line, "| Section |") {
			continue
		}
		rows++
		m := row.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("no row: %s", line)
			continue
		}
		names := quoted.FindAllStringSubmatch(m[1], -1)
		if len(names) == 0 && !strings.HasPrefix(m[1], "— ") {
			t.Errorf("neither a test nor a reason: %s", line)
		}
		for _, name := range names {
			if !exists(name[1]) {
				t.Errorf("no test %s: %s", name[1], line)
			}
		}
	}
	if rows < 80 {
		t.Errorf("%d rules are read", rows)
	}
}

// testsUnder are the names of the test functions in dir's Go files and below.
func testsUnder(t *testing.T, dir string) map[string]bool {
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	names := map[string]bool{}
	err := filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		source, err := os.ReadFile(file)
		for _, m := range function.FindAllSubmatch(source, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
