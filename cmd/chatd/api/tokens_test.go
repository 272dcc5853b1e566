package api

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatd/room"
)

func TestTokensAreReadAgainWhenTheFileChanges(t *testing.T) {
	f := start(t, func(c *room.Config) { c.RateMessages = 1 })
	f.publish("lobby", "hi") // which is all for this second
	reload := func(changed bool, says string) {
		t.Helper()
		got, err := f.api.tokens.Reload()
		if got != changed || (err != nil) != (says != "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("changed %v, %v, want %v, %q", got, err, changed, says)
		}
		if err != nil && (strings.Contains(err.Error(), "next") || strings.Contains(err.Error(), "two words")) {
			t.Errorf("a token is told: %v", err)
		}
	}
	answers := func(token string, status int) {
		t.Helper()
		f.status(f.send("GET", "/rooms", "", "Authorization: Bearer "+token), status)
	}
	write(t, f.file, "nex") // half written
	reload(false, "")
	answers("nex", 401)
	answers(other, 200)
	write(t, f.file, "next\n"+token+"\n")
	reload(false, "")
	reload(true, "")
	answers("next", 200)
	answers(token, 200)
	answers(other, 401)
	f.status(f.ask("POST", "/rooms/lobby/messages", "hi", asText), 429) // it is the same caller as before

	write(t, f.file, "next\ntwo words\n")
	reload(false, "")
	reload(false, "line 2 is no token")
	reload(false, "")
	answers("next", 200)
	if err := os.Remove(f.file); err != nil {
		t.Fatal(err)
	}
	reload(false, "")
	reload(false, "no such file")
	answers("next", 200)
	write(t, f.file, "# all are taken back\n")
	reload(false, "")
	reload(true, "")
	answers("next", 401)
	answers(token, 401)
	write(t, f.file, "next\n")
	reload(false, "")
	reload(true, "")
	answers("next", 200)
	if done, failed := f.api.tokens.Reloads(); done != 3 || failed != 2 {
		t.Errorf("%d, %d", done, failed)
	}
}

func TestFileOfTokensThatIsNoneIsRefused(t *testing.T) {
	for content, says := range map[string]string{
		"":                             "no token",
		"# none\n\n":                   "no token",
		"a b":                          "line 1",
		"good\n\nsecr\u00e9t\n":        "line 3",
		"=":                            "line 1",
		"sec\"ret":                     "line 1",
		strings.Repeat("x\n", 600_000): "too large",
	} {
		file := filepath.Join(t.TempDir(), "tokens")
		write(t, file, content)
		_, err := OpenTokens(file)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secr") || strings.Contains(err.Error(), "sec\"") {
			t.Errorf("%.20q: %v", content, err)
		}
	}
	if _, err := OpenTokens(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is taken")
	}
}
