package talk

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"chatd/cmd/chatd/talk/client"
)

// transcribe is a message as name: text. One that came without a name, not even
// an id, is its text.
func transcribe(e client.Event) string {
	if who := speaker(e.ID, e.Name); who != "" {
		return who + ": " + content(e)
	}
	return content(e)
}

// speaker is what somebody is called: by the name, or else by the first
// characters of the id.
func speaker(id, name string) string {
	if name != "" {
		return name
	}
	return id[:min(len(id), 6)]
}

// content is a message's text, or what it is instead.
func content(e client.Event) string {
	if e.Data != nil {
		return fmt.Sprintf("[%d bytes that are no text]", len(e.Data))
	}
	return e.Text
}

// lost is a gap in words.
func lost(e client.Event) string {
	switch {
	case e.Why == "history" && e.From == e.To:
		return fmt.Sprintf("message %d is missing: the server has it no more", e.From)
	case e.Why == "history":
		return fmt.Sprintf("messages %d to %d are missing: the server has them no more", e.From, e.To)
	case e.Why == "epoch":
		return "the server has begun anew: what it held before is gone"
	}
	return "the server does not know our place in the room: something may be missing"
}

// transcript turns events into lines for people. It is used by one goroutine.
type transcript struct {
	now    func() time.Time
	zone   *time.Location
	colour bool

	day  string    // that of the last line
	away time.Time // what was said before came while we were away; zero: nothing did
}

// Select Graphic Rendition: dim is for what nobody says.
const (
	dim   = "\x1b[2m"
	plain = "\x1b[m"
)

const indent = "      " // a time is as wide

// add returns the lines of an event, none if it is no matter for people.
func (t *transcript) add(e client.Event) []string {
	switch e.Type {
	case client.Welcome:
		if e.Away == 0 {
			return nil
		}
		t.away = t.now()
		return []string{note("back after " + max(e.Away, time.Second).Round(time.Second).String())}
	case client.Gap:
		return []string{note(lost(e))}
	case client.Error:
		return []string{note(visible(e.Message))}
	case client.Who:
		return []string{note(present(e))}
	case client.Say:
		if !e.Again {
			return t.said(e)
		}
	}
	return nil
}

// said returns the lines of a message, with the day and the mark that belong
// above it.
func (t *transcript) said(e client.Event) (lines []string) {
	at := time.UnixMilli(e.At).In(t.zone)
	if day := at.Format("Monday, 2 January 2006"); day != t.day {
		t.day = day
		lines = append(lines, rule(day))
	}
	switch {
	case t.away.IsZero():
	case !at.Before(t.away):
		t.away = time.Time{}
	case !e.Mine: // one's own may come first: they were on their way
		lines = append(lines, rule("missed while you were away"))
		t.away = time.Time{}
	}
	who := visible(speaker(e.ID, e.Name))
	if who != "" {
		who = t.paint(e.ID, who) + ": "
	}
	texts := strings.Split(strings.TrimRight(content(e), "\r\n"), "\n")
	for i, text := range texts {
		texts[i] = visible(strings.ReplaceAll(strings.TrimSuffix(text, "\r"), "\t", "    "))
	}
	lines = append(lines, dim+at.Format("15:04")+plain+" "+who+texts[0])
	for _, text := range texts[1:] {
		lines = append(lines, indent+text)
	}
	return lines
}

// note is a line of ours.
func note(text string) string { return dim + indent + "* " + text }

// rule is a line that divides.
func rule(text string) string { return dim + "── " + text + " ──" }

// present tells who is in the room.
func present(e client.Event) string {
	var names []string
	nameless := e.Count
	for _, m := range e.Members {
		if m.Name != "" {
			names = append(names, visible(m.Name))
			nameless--
		}
	}
	text := fmt.Sprintf("%d here", e.Count)
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
		if nameless > 0 {
			text += fmt.Sprintf(" and %d more", nameless)
		}
	}
	return text
}

// paint gives a name its id's colour: one of those that a terminal's theme makes
// legible.
func (t *transcript) paint(id, name string) string {
	if !t.colour || id == "" {
		return name
	}
	hash := uint32(2166136261) // FNV-1a
	for i := range len(id) {
		hash = (hash ^ uint32(id[i])) * 16777619
	}
	colours := [...]int{31, 32, 33, 34, 35, 36, 91, 92, 93, 94, 95, 96}
	return fmt.Sprintf("\x1b[%dm%s\x1b[39m", colours[hash%uint32(len(colours))], name)
}

// wrap breaks a line where a screen of this width ends. What goes on is indented,
// so that nobody's text can look like a line of its own.
func wrap(line string, width int) []string {
	rows := strings.Split(ansi.Wrap(line, max(width-len(indent)-1, 10), " "), "\n") // the last column has quirks
	for i, row := range rows {
		if i > 0 {
			row = indent + strings.TrimPrefix(row, indent)
		}
		rows[i] = row + plain
	}
	return rows
}
