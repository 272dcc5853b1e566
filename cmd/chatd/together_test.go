package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// Two pages, a terminal and a program that knows no chat.v1 are in one room and talk
// all at once. One of the pages is without its network meanwhile.
func TestAllKindsOfClientsHearTheSameInTheSameOrder(t *testing.T) {
	t.Parallel()
	browser, chatd := startBrowser(t), startChatd(t)
	net := newNetwork(t, chatd)
	stays := open(t, browser, chatd, "open")
	cut := openURL(t, browser, "http://"+net.Addr+"/", "open")
	cut.offline = true
	terminal := startPiped(t, "-name", "Ana", "-json", chatd.Addr)
	raw, _, err := websocket.Dial(t.Context(), "ws://"+chatd.Addr+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.CloseNow() })

	var texts []string // in the order of the raw client
	hear := func(n int) {
		t.Helper()
		for range n {
			_, text, err := raw.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
	}
	const each = 10
	talk := func(part string) {
		for i := range each {
			fmt.Fprintf(terminal.in, "%s, terminal %d\n", part, i)
			if err := raw.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, "%s, raw %d", part, i)); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 {
			stays.say(fmt.Sprintf("%s, page %d", part, i))
		}
	}
	fmt.Fprintln(terminal.in, "here") // it may take a while to start
	hear(1)

	talk("before")
	hear(2*each + 3)
	cut.waitForLast(texts[len(texts)-1])

	net.become(swallows, swallows) // a network that vanishes says nothing, not even that
	talk("away")
	hear(2*each + 3)
	cut.waitForState("silent")
	net.reset()
	net.become(passes, passes)
	cut.do(`window.dispatchEvent(new Event('online'))`)
	cut.waitForState("open")
	cut.waitForLast(texts[len(texts)-1])
	talk("back")
	hear(2*each + 3)

	last := texts[len(texts)-1]
	for _, b := range []*tab{stays, cut} {
		b.waitForLast(last)
		heard := get[[]string](b, `lines.filter((line) => line.matches('.text')).map((line) => line.textContent)`)
		if !slices.Equal(heard, texts) {
			t.Errorf("a page shows\n%q\nand the raw client heard\n%q", heard, texts)
		}
	}
	missed := get[string](cut, `lines[lines.findIndex((line) => line.textContent === 'While you were away') + 1].textContent`)
	if want := texts[1+2*each+3]; missed != want {
		t.Errorf("the mark is before %q, want %q", missed, want)
	}

	terminal.in.Close()
	var heard []string
	for terminal.out.Scan() {
		var e struct{ Type, Text string }
		if err := json.Unmarshal(terminal.out.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Type == "say" {
			heard = append(heard, e.Text)
		}
	}
	if err := terminal.Wait(); err != nil {
		t.Errorf("%v: %s", err, &terminal.errs)
	}
	if !slices.Equal(heard, texts) {
		t.Errorf("the terminal heard\n%s\nand the raw client\n%s", strings.Join(heard, "\n"), strings.Join(texts, "\n"))
	}
}
