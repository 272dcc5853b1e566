package token

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keyFile is a file with a key, which a test may change.
type keyFile struct {
	*File
	t    *testing.T
	path string
}

func openKey(t *testing.T, content []byte) *keyFile {
	t.Helper()
	k := &keyFile{t: t, path: filepath.Join(t.TempDir(), "key")}
	k.write(string(content))
	f, err := Open(k.path)
	if err != nil {
		t.Fatal(err)
	}
	k.File = f
	return k
}

func (k *keyFile) write(content string) {
	k.t.Helper()
	if err := os.WriteFile(k.path, []byte(content), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// reload looks once, and compares what comes of it.
func (k *keyFile) reload(changed bool, says string) {
	k.t.Helper()
	got, err := k.Reload()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if got != changed || (says == "") != (err == nil) || !strings.Contains(text, says) || strings.Contains(text, "\n") {
		k.t.Fatalf("changed %v, error %q, want %v, %q", got, text, changed, says)
	}
}

func TestChangedFileIsTheKeyOnceItWasReadTwice(t *testing.T) {
	all := issuers()
	k := openKey(t, all["HS256"].file)
	k.reload(false, "")
	k.write(string(all["ES256"].file[:40])) // half written
	k.reload(false, "")
	k.write(string(all["ES256"].file))
	k.reload(false, "")
	k.reload(true, "")
	k.reload(false, "")
	if _, fault := k.Verify(all["ES256"].token(t, `{"exp":2000}`), second(1000)); fault != Valid || k.Algorithm() != "ES256" {
		t.Error(k.Algorithm(), fault)
	}
	if _, fault := k.Verify(all["HS256"].token(t, `{"exp":2000}`), second(1000)); fault != Algorithm {
		t.Errorf("the old key: %v", fault)
	}
	if done, failed := k.Reloads(); done != 1 || failed != 0 {
		t.Errorf("%d, %d", done, failed)
	}
}

func TestBadFileIsToldOnceAndTheOldKeyStays(t *testing.T) {
	all := issuers()
	k := openKey(t, all["EdDSA"].file)
	signed := all["EdDSA"].token(t, `{"exp":2000}`)
	stays := func() {
		t.Helper()
		k.reload(false, "")
		if _, fault := k.Verify(signed, second(1000)); fault != Valid {
			t.Fatal(fault)
		}
	}
	k.write("hunter2")
	stays()
	k.reload(false, "7 bytes is too short")
	stays()
	if err := os.Remove(k.path); err != nil {
		t.Fatal(err)
	}
	stays()
	k.reload(false, "no such file")
	stays()
	k.write(strings.Repeat("x", maxFile+1))
	stays()
	k.reload(false, "too large")
	stays()
	k.write(string(all["RS256"].file))
	stays()
	k.reload(true, "")
	if done, failed := k.Reloads(); done != 1 || failed != 3 || k.Algorithm() != "RS256" {
		t.Errorf("%d, %d, %s", done, failed, k.Algorithm())
	}
}

func TestFileWithoutAKeyIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, says := range map[string]string{bad: "too short", dir: "is a directory", filepath.Join(dir, "none"): "no such file"} {
		if f, err := Open(path); f != nil || err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, %v", path, f, err)
		}
	}
}
