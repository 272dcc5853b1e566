package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	aSecret       = "a secret of the test's"
	anotherSecret = "another of the test's"
)

// sessionOf is what the options' secrets sign.
func sessionOf(t *testing.T, id string, args ...string) string {
	t.Helper()
	s, err := parse(t, args...).secrets()
	if err != nil {
		t.Fatal(err)
	}
	return s.Session(id)
}

func TestFirstSecretOfAFileSignsAndAllVerify(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(file, []byte("\n"+anotherSecret+"\r\n\n  "+aSecret+"  "), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := parse(t, "-secret-file", file).secrets()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Session("x"), sessionOf(t, "x", "-secret", anotherSecret); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if id, ok := s.ID(sessionOf(t, "x", "-secret", aSecret)); !ok || id != "x" {
		t.Errorf("the second secret proves %q, %v", id, ok)
	}
}

func TestWithoutASecretEachProcessHasItsOwn(t *testing.T) {
	if one := sessionOf(t, "x"); one == sessionOf(t, "x") {
		t.Errorf("two have the same: %s", one)
	}
}

func TestSecretComesFromTheEnvironment(t *testing.T) {
	t.Setenv("CHATD_SECRET", aSecret)
	if got, want := sessionOf(t, "x"), sessionOf(t, "x", "-secret", aSecret); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSecretThatProvesNothingIsRefusedAndNotRepeated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tt := range map[string]struct {
		args []string
		says string
	}{
		"empty":               {[]string{"-secret", ""}, "-secret has 0 bytes: must be at least 16"},
		"short":               {[]string{"-secret", "hunter2"}, "-secret has 7 bytes: must be at least 16"},
		"both":                {[]string{"-secret", aSecret, "-secret-file", file("good", aSecret)}, "use one of them"},
		"no file":             {[]string{"-secret-file", ""}, "-secret-file is empty"},
		"missing file":        {[]string{"-secret-file", filepath.Join(dir, "nonsense")}, "no such file"},
		"directory":           {[]string{"-secret-file", dir}, "is a directory"},
		"empty file":          {[]string{"-secret-file", file("empty", " \n\n")}, "has no secret"},
		"short one of a file": {[]string{"-secret-file", file("short", aSecret+"\n\nhunter2\n")}, "line 3 of"},
	} {
		_, stderr, status := runChatd(t, nil, append(tt.args, "-addr", "127.0.0.1:0")...)
		if status != exitUsage || !strings.Contains(stderr, tt.says) || strings.Contains(stderr, "hunter2") || strings.Contains(stderr, aSecret) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, %q", name, status, stderr)
		}
	}
}
