package talk

import (
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"chatd/cmd/chatd/talk/client"
)

// desk is a screen without a terminal, and what it has said.
type desk struct {
	*screen
	t    *testing.T
	says chan pending
}

func newDesk(t *testing.T) desk {
	d := desk{t: t, says: make(chan pending, maxPending)}
	d.screen = &screen{client: client.New(client.Config{}), says: d.says, width: new(atomic.Int32), input: newInput(), room: "lobby", name: "Ana"}
	d.Update(tea.WindowSizeMsg{Width: 80, Height: 20})
	return d
}

func (d desk) types(text string) {
	d.t.Helper()
	for _, r := range text {
		d.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

func (d desk) presses(keys ...rune) {
	for _, key := range keys {
		d.Update(tea.KeyPressMsg{Code: key})
	}
}

func (d desk) hears(e client.Event) { d.Update(heard{e}) }

// shows checks what is above the line that is typed.
func (d desk) shows(want ...string) {
	d.t.Helper()
	lines := strings.Split(ansi.Strip(d.View().Content), "\n")
	if got := strings.Join(lines[:len(lines)-1], "\n"); got != strings.Join(want, "\n") {
		d.t.Errorf("shows\n%s\nand not\n%s", got, strings.Join(want, "\n"))
	}
}

func TestWhatISayIsShownUntilItIsConfirmed(t *testing.T) {
	d := newDesk(t)
	d.shows("── lobby · connecting · Ana ──")
	d.hears(client.Event{Type: client.Welcome, Name: "Ana", Count: 2})
	d.shows("── lobby · 2 here · Ana ──")
	d.types("hello")
	d.presses(tea.KeyEnter)
	d.types(" ")
	d.presses(tea.KeyEnter, tea.KeyBackspace) // nothing
	d.shows("      hello", "── lobby · 2 here · Ana · 1 not confirmed ──")
	first := <-d.says
	if first.text != "hello" {
		t.Errorf("said %q", first.text)
	}
	d.hears(client.Event{Type: client.Offline, Err: errors.New("no \x1b route")})
	for i := range 7 {
		d.types(strconv.Itoa(i))
		d.presses(tea.KeyEnter)
	}
	d.hears(client.Event{Type: client.Say, Mine: true, Nonce: first.nonce})
	d.shows("      0", "      1", "      2", "      3", "      4", "      … and 2 more",
		"── lobby · offline (no ␛ route), trying again · Ana · 7 not confirmed ──")
	d.hears(client.Event{Type: client.Error, Mine: true, Nonce: (<-d.says).nonce})
	d.hears(client.Event{Type: client.Members, Count: 9})
	d.hears(client.Event{Type: client.Welcome, Count: 3})
	d.shows("      1", "      2", "      3", "      4", "      5", "      … and 1 more", "── lobby · 3 here · Ana · 6 not confirmed ──")
}

func TestNoMoreIsTypedThanCanWait(t *testing.T) {
	d := newDesk(t)
	for range maxPending {
		d.types("x")
		d.presses(tea.KeyEnter)
	}
	d.types("one too many")
	d.presses(tea.KeyEnter)
	if d.input.Value() != "one too many" || len(d.pending) != maxPending {
		t.Errorf("%q is left, %d are pending", d.input.Value(), len(d.pending))
	}
}

func TestWhatWasTypedIsRecalled(t *testing.T) {
	d := newDesk(t)
	is := func(want string) {
		t.Helper()
		if got := d.input.Value(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	d.presses(tea.KeyUp, tea.KeyDown)
	is("")
	for _, text := range []string{"one", "two", "two"} {
		d.types(text)
		d.presses(tea.KeyEnter)
	}
	d.types("draft")
	d.presses(tea.KeyUp)
	is("two")
	d.presses(tea.KeyUp)
	is("one")
	d.presses(tea.KeyUp)
	is("one")
	d.types("!")
	is("one!")
	d.presses(tea.KeyDown)
	is("two")
	d.presses(tea.KeyDown)
	is("draft")
	d.presses(tea.KeyDown)
	is("draft")
}

func TestCommandsAreNotSaid(t *testing.T) {
	d := newDesk(t)
	for _, command := range []string{"/help", "/who", "/nonsense", "/name Bob", "/name \u202e"} {
		d.types(command)
		d.presses(tea.KeyEnter)
	}
	d.shows("── lobby · connecting · Bob ──")
	d.types("//help")
	d.presses(tea.KeyEnter)
	if p := <-d.says; p.text != "/help" {
		t.Errorf("said %q", p.text)
	}
	d.types("/quit")
	d.presses(tea.KeyEnter)
	if !d.leaving || d.View().Content != "" {
		t.Error("not left")
	}
}
