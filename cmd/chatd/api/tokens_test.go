package api

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatd/room"
)

func TestTokensAreReadAgainWhenTheFileChanges(t *testing.T) {
	f := start(t, func(c *room.Config) { c.RateMessages = 1 })
	now, tokens := time.Now(), f.api.tokens
	later := func(d time.Duration) {
		tokens.mu.Lock()
		defer tokens.mu.Unlock()
		now = now.Add(d)
		tokens.now = func() time.Time { return now }
	}
	later(rereadAfter)
	f.publish("lobby", "hi") // which is all for this second; the file was just read
	with := func(token string) int {
		t.Helper()
		return f.send("GET", "/rooms", "", "Authorization: Bearer "+token).StatusCode
	}
	write(t, f.file, "next\n"+token+"\n")
	later(rereadAfter - 1)
	if got := with("next"); got != 401 {
		t.Errorf("%d before it is read again", got)
	}
	later(1)
	for text, want := range map[string]int{"next": 200, token: 200, other: 401} {
		if got := with(text); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
	f.status(f.ask("POST", "/rooms/lobby/messages", "hi", asText), 429) // it is the same caller as before

	// What can't be read changes nothing, and is told once.
	for _, content := range []string{"next\ntwo words\n", ""} {
		write(t, f.file, content)
		if content == "" {
			if err := os.Remove(f.file); err != nil {
				t.Fatal(err)
			}
		}
		before := strings.Count(f.log.String(), "can't be read again")
		for range 3 {
			later(rereadAfter)
			if got := with("next"); got != 200 {
				t.Errorf("%d with %q", got, content)
			}
		}
		if told := strings.Count(f.log.String(), "can't be read again") - before; told != 1 {
			t.Errorf("told %d times:\n%s", told, f.log)
		}
	}
	write(t, f.file, "# all are taken back\n")
	later(rereadAfter)
	if got := with("next"); got != 401 {
		t.Errorf("%d with none", got)
	}
	if strings.Contains(f.log.String(), "next") || strings.Contains(f.log.String(), "two words") {
		t.Errorf("the log tells a token:\n%s", f.log)
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
		strings.Repeat("x\n", 600_000): "more than",
	} {
		file := filepath.Join(t.TempDir(), "tokens")
		write(t, file, content)
		log := new(log)
		_, err := OpenTokens(file, slog.New(slog.NewTextHandler(log, nil)))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secr") || strings.Contains(err.Error(), "sec\"") || log.String() != "" {
			t.Errorf("%.20q: %v %s", content, err, log)
		}
	}
	if _, err := OpenTokens(filepath.Join(t.TempDir(), "none"), slog.Default()); err == nil {
		t.Error("a file that is not there is taken")
	}
}
