package talk

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"chatd/cmd/chatd/talk/client"
)

// screen is what is below the transcript: what we said and is not confirmed, how
// things are, and the line that is typed. The transcript itself belongs to the
// terminal, which can scroll it, search it and keep it.
//
// It is the Program's goroutine's. The client's Run sends it what was heard, and
// must never be waited for: what is said goes by says to a goroutine of its own.
type screen struct {
	client *client.Client
	says   chan<- pending
	width  *atomic.Int32 // written here, read where the transcript is wrapped

	input   textinput.Model
	past    []string // what was typed
	recall  int      // of past, what is shown; len(past): the draft
	draft   string
	pending []pending // said, not confirmed
	said    int

	room, name string
	welcomed   bool
	count      int   // members
	offline    error // nil: there is a link
	leaving    bool
}

// pending is a text of ours, by the nonce it has.
type pending struct{ nonce, text string }

const (
	maxPending = 256 // what is typed while there is no link
	maxPast    = 1000
	shown      = 5 // of pending
)

// What a screen is sent.
type (
	heard struct{ client.Event }
	ended struct{} // there is no chat any more
)

// runScreen chats in the terminal of in and out until the user leaves, ctx is
// done, or the server wants no more.
func runScreen(ctx context.Context, o options, in, out *os.File) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	says := make(chan pending, maxPending)
	s := &screen{says: says, width: new(atomic.Int32), input: newInput(), room: o.room, name: o.config.Name}
	s.width.Store(80)
	program := tea.NewProgram(s, tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	t := &transcript{now: time.Now, zone: time.Local, colour: os.Getenv("NO_COLOR") == ""}
	o.config.Heard = func(e client.Event) error {
		for _, line := range t.add(e) {
			for _, row := range wrap(line, int(s.width.Load())) {
				program.Send(tea.Println(row)())
			}
		}
		program.Send(heard{e})
		return nil
	}
	s.client = client.New(o.config)

	var others sync.WaitGroup
	var err error
	others.Go(func() {
		err = s.client.Run(ctx)
		program.Send(ended{}) // with ctx, too: a Program that is killed returns while its goroutines run
	})
	others.Go(func() {
		for {
			select {
			case p := <-says:
				if s.client.Say(ctx, p.nonce, p.text) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	_, failed := program.Run()
	cancel()
	others.Wait()
	switch {
	case err != nil && !s.welcomed:
		return fmt.Errorf("%s: %w", o.config.URL.Host, err)
	case err != nil:
		return err
	case failed != nil:
		return failed
	case len(s.pending) > 0:
		return fmt.Errorf("left before %d messages were confirmed", len(s.pending))
	}
	return nil
}

// newInput is the line that is typed.
func newInput() textinput.Model {
	input := textinput.New()
	input.Prompt = "> "
	input.Placeholder = "say something, or /help"
	styles := input.Styles()
	styles.Cursor.Blink = false
	input.SetStyles(styles)
	input.Focus()
	return input
}

// print prints a line above the screen, as an answer to what was typed. A row at a
// time, because the renderer can't make room for more than there is.
func (s *screen) print(line string) tea.Cmd {
	var rows []tea.Cmd
	for _, row := range wrap(line, int(s.width.Load())) {
		rows = append(rows, tea.Println(row))
	}
	return tea.Sequence(rows...)
}

// Init implements tea.Model.
func (s *screen) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (s *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width.Store(int32(msg.Width))
		s.input.SetWidth(max(msg.Width-len(s.input.Prompt)-1, 1))
		return s, nil
	case heard:
		s.hear(msg.Event)
		return s, nil
	case ended:
		return s, s.leave()
	case tea.KeyPressMsg:
		switch msg.String() {
		case "ctrl+c":
			return s, s.leave()
		case "ctrl+z":
			return s, tea.Suspend
		case "ctrl+d":
			if s.input.Value() == "" {
				return s, s.leave()
			}
		case "enter":
			return s, s.enter()
		case "up":
			s.remember(-1)
			return s, nil
		case "down":
			s.remember(1)
			return s, nil
		}
	}
	var cmd tea.Cmd
	s.input, cmd = s.input.Update(msg)
	return s, cmd
}

// leave ends the program. Nothing of the screen stays.
func (s *screen) leave() tea.Cmd {
	s.leaving = true
	return tea.Quit
}

// hear takes note of what was heard. What there is to read of it is printed.
func (s *screen) hear(e client.Event) {
	if e.Mine {
		s.pending = slices.DeleteFunc(s.pending, func(p pending) bool { return p.nonce == e.Nonce })
	}
	switch e.Type {
	case client.Welcome:
		s.welcomed, s.offline, s.count = true, nil, e.Count
		if e.Name != "" {
			s.name = e.Name // a token may have another one
		}
	case client.Members, client.Who:
		s.count = e.Count
	case client.Offline:
		s.offline = e.Err
	}
}

// enter says what was typed, or does it.
func (s *screen) enter() tea.Cmd {
	text := s.input.Value()
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if command, ok := strings.CutPrefix(text, "/"); ok && !strings.HasPrefix(command, "/") {
		s.typed(text)
		return s.command(command)
	}
	p := pending{strconv.Itoa(s.said + 1), strings.TrimPrefix(text, "/")} // of two
	select {
	case s.says <- p:
	default:
		return s.print(note("too much is not sent yet: wait for the connection"))
	}
	s.said++
	s.pending = append(s.pending, p)
	s.typed(text)
	return nil
}

// typed takes what was typed off the line and keeps it to be recalled.
func (s *screen) typed(text string) {
	if len(s.past) == 0 || s.past[len(s.past)-1] != text {
		s.past = append(s.past, text)
	}
	if len(s.past) > maxPast {
		s.past = slices.Delete(s.past, 0, 1)
	}
	s.recall = len(s.past)
	s.draft = ""
	s.input.Reset()
}

// remember shows what was typed before, or after, what is shown.
func (s *screen) remember(step int) {
	to := s.recall + step
	if to < 0 || to > len(s.past) {
		return
	}
	if s.recall == len(s.past) {
		s.draft = s.input.Value()
	}
	s.recall = to
	if to == len(s.past) {
		s.input.SetValue(s.draft)
	} else {
		s.input.SetValue(s.past[to])
	}
	s.input.CursorEnd()
}

// View implements tea.Model.
func (s *screen) View() tea.View {
	if s.leaving {
		return tea.NewView("")
	}
	width := int(s.width.Load())
	var lines []string
	for i, p := range s.pending {
		if i == shown {
			lines = append(lines, fmt.Sprintf(indent+"… and %d more", len(s.pending)-shown))
			break
		}
		lines = append(lines, indent+visible(p.text))
	}
	lines = append(lines, s.status())
	for i, line := range lines {
		lines[i] = dim + ansi.Truncate(line, width, "…") + plain
	}
	return tea.NewView(strings.Join(append(lines, s.input.View()), "\n"))
}

// status says how things are.
func (s *screen) status() string {
	parts := []string{"── " + s.room}
	switch {
	case s.offline != nil:
		parts = append(parts, "offline ("+visible(s.offline.Error())+"), trying again")
	case !s.welcomed:
		parts = append(parts, "connecting")
	default:
		parts = append(parts, fmt.Sprintf("%d here", s.count))
	}
	if s.name != "" {
		parts = append(parts, s.name)
	}
	if n := len(s.pending); n > 0 {
		parts = append(parts, fmt.Sprintf("%d not confirmed", n))
	}
	return strings.Join(parts, " · ") + " ──"
}
