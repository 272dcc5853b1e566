package reload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// trial is a file that a test changes; what contains a ! is of no use.
type trial struct {
	*File
	t    *testing.T
	path string
	used string
}

func open(t *testing.T, content string) *trial {
	t.Helper()
	f := &trial{t: t, path: filepath.Join(t.TempDir(), "file")}
	f.write(content)
	var err error
	f.File, err = Open(f.path, 10, func(content []byte) error {
		if strings.Contains(string(content), "!") {
			return errors.New("there is a !")
		}
		f.used = string(content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *trial) write(content string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// reload looks once, and compares what comes of it.
func (f *trial) reload(changed bool, says, used string) {
	f.t.Helper()
	got, err := f.Reload()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if got != changed || (says == "") != (err == nil) || !strings.Contains(text, says) || f.used != used {
		f.t.Fatalf("changed %v, error %q, %q is in use, want %v, %q, %q", got, text, f.used, changed, says, used)
	}
}

func TestWhatWasReadTwiceIsInUse(t *testing.T) {
	f := open(t, "one")
	f.reload(false, "", "one")
	f.write("")
	f.reload(false, "", "one")
	f.write("tw") // half written
	f.reload(false, "", "one")
	f.write("two")
	f.reload(false, "", "one")
	f.reload(true, "", "two")
	f.reload(false, "", "two")
	f.write("three")
	f.reload(false, "", "two")
	f.write("two") // as if nothing had been
	f.reload(false, "", "two")
	f.reload(false, "", "two")
	f.write("")
	f.reload(false, "", "two")
	f.reload(true, "", "")
	if done, failed := f.Reloads(); done != 2 || failed != 0 {
		t.Errorf("%d, %d", done, failed)
	}
}

func TestWhatIsOfNoUseIsToldOnceAndWhatWasInUseStays(t *testing.T) {
	f := open(t, "one")
	for _, tt := range []struct{ content, says string }{{"one!", f.path + ": there is a !"}, {"far too long", "too large"}, {"two!", "there is a !"}} {
		f.write(tt.content)
		f.reload(false, "", "one")
		f.reload(false, tt.says, "one")
		f.reload(false, "", "one")
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.reload(false, "", "one")
	f.reload(false, "no such file", "one")
	f.reload(false, "", "one")
	f.write("two")
	f.reload(false, "", "one")
	f.reload(true, "", "two")
	if done, failed := f.Reloads(); done != 1 || failed != 4 {
		t.Errorf("%d, %d", done, failed)
	}
}

func TestFileThatIsOfNoUseIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{bad: bad + ": of no use", dir: "is a directory", filepath.Join(dir, "none"): "no such file"} {
		if f, err := Open(path, 10, func([]byte) error { return errors.New("of no use") }); f != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", path, f, err)
		}
	}
}

// As a certificate and its key, which somebody replaces one after the other.
func TestFilesThatBelongTogetherAreInUseOnceTheyFit(t *testing.T) {
	dir := t.TempDir()
	one, other := filepath.Join(dir, "one"), filepath.Join(dir, "other")
	write := func(path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(one, "a")
	write(other, "a")
	used := ""
	f, err := OpenTogether([]string{one, other}, 10, func(contents [][]byte) error {
		if string(contents[0]) != string(contents[1]) {
			return errors.New("they don't fit")
		}
		used = string(contents[0])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	look := func(changed bool, says, uses string) {
		t.Helper()
		for i := range 3 { // seen, read twice, and nothing new
			got, err := f.Reload()
			if got != (changed && i == 1) || (err != nil) != (says != "" && i == 1) || err != nil && err.Error() != says {
				t.Fatalf("look %d: changed %v, %v", i, got, err)
			}
		}
		if used != uses {
			t.Fatalf("%q is in use, want %q", used, uses)
		}
	}
	write(one, "b")
	look(false, one+", "+other+": they don't fit", "a")
	write(other, "b")
	look(true, "", "b")
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	look(false, "open "+other+": no such file or directory", "b")
	if done, failed := f.Reloads(); done != 1 || failed != 2 {
		t.Errorf("%d, %d", done, failed)
	}
}

// As in -api-token-file <(pass show tokens): read again, it would be empty.
func TestPipeIsReadOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("one"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	used := ""
	f, err := Open(fmt.Sprint("/proc/self/fd/", r.Fd()), 10, func(content []byte) error {
		used = string(content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if changed, err := f.Reload(); changed || err != nil || used != "one" {
			t.Fatalf("%v, %v, %q", changed, err, used)
		}
	}
}
