package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"chatd/room/chattest"
)

// described are the blocks of that kind in the public description.
func described(t *testing.T, kind string) [][]byte {
	t.Helper()
	text, err := os.ReadFile("../../static/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks [][]byte
	for _, m := range regexp.MustCompile("(?ms)^```"+kind+"\n(.*?)^```$").FindAllSubmatch(text, -1) {
		blocks = append(blocks, m[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("there is no block of %s", kind)
	}
	return blocks
}

func TestDescribedEventsAreThoseOfTheSchema(t *testing.T) {
	for kind, tt := range map[string]struct {
		definition string
		types      string
	}{
		"json server": {chattest.FromServer, "welcome gap say members joined left who error"},
		"json client": {chattest.FromClient, "say name join leave who"},
	} {
		seen := map[string]bool{}
		for _, block := range described(t, kind) {
			for events := json.NewDecoder(bytes.NewReader(block)); ; {
				var e json.RawMessage
				if err := events.Decode(&e); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%v in\n%s", err, block)
				}
				if err := chattest.Validate(tt.definition, e); err != nil {
					t.Error(err)
				}
				var is struct{ Type string }
				if err := json.Unmarshal(e, &is); err != nil {
					t.Fatal(err)
				}
				seen[is.Type] = true
			}
		}
		for _, want := range strings.Fields(tt.types) {
			if !seen[want] {
				t.Errorf("no %s is described by %s", want, kind)
			}
		}
	}
}

func TestDescribedEventsOfAClientAreTaken(t *testing.T) {
	addr := startChat(t)
	for _, block := range described(t, "json client") {
		for _, line := range bytes.Split(bytes.TrimSpace(block), []byte("\n")) {
			c := dialChat(t, addr, chattest.Options{Since: "now"})
			if bytes.Contains(line, []byte(`"leave"`)) {
				c.tell(join("side"))
				c.hear("joined")
			}
			if err := c.Write(false, line); err != nil {
				t.Fatal(err)
			}
			c.tell(event{"type": "say", "room": "lobby", "text": "after it"})
			for {
				e, err := c.Next()
				if err != nil || e.Type == "error" {
					t.Fatalf("%s is answered with %+v, %v", line, e, err)
				}
				if e.Said() == "text after it" {
					break
				}
			}
			c.Close()
		}
	}
}

func TestDescribedProgramInGoWorks(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "listen")
	if err := os.WriteFile(program+".go", described(t, "go example")[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", program, program+".go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	addr := startChat(t)
	author := dialChat(t, addr, chattest.Options{Name: "Ana"})
	author.says("one")
	cmd := exec.Command(program, "ws://"+addr+"/ws")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(stdout)
	for i, want := range []string{"1 Ana one", "2 Ana two", "3 Ana three"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("line %d is %q, want %q (%v)", i, lines.Text(), want, lines.Err())
		}
		if i == 0 {
			author.says("two", "three")
		}
	}
}

func TestDescribedProgramInABrowserWorks(t *testing.T) {
	p := startChatd(t)
	author := dialChat(t, p.Addr, chattest.Options{Name: "Ana"})
	author.says("one")
	b := open(t, startBrowser(t), p, "open")
	get[chromedp.Void](b, fmt.Sprintf(`void (() => { %s
		window.heard = [];
		chat('ws://%s/ws', 'Bea', (e, say) => {
			if (e.type === 'welcome') say('two');
			if (e.type === 'say') heard.push(e.seq + ' ' + e.name + ' ' + e.text);
		});
	})()`, described(t, "js example")[0], p.Addr))
	b.wait(`heard.join() === '1 Ana one,2 Bea two'`)
}
