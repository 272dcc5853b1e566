package talk

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"chatd/room/chat"
)

const commands = `besides talking you can type
/name NAME  be called so; without NAME, by none
/who        who is here
/quit       leave, as Ctrl-C does
//text      say /text
The arrows up and down recall what was typed.`

// command does what was typed behind a /.
func (s *screen) command(typed string) tea.Cmd {
	verb, rest, _ := strings.Cut(typed, " ")
	switch verb {
	case "help":
		return s.print(note(commands))
	case "quit":
		return s.leave()
	case "who":
		s.client.Who()
		return nil
	case "name":
		name, ok := chat.CleanName(rest)
		switch {
		case !ok:
			return s.print(note(badName))
		case !s.client.SetName(name):
			return s.print(note("too many names at a time: try again"))
		}
		s.name = name
		if name == "" {
			return s.print(note("you have no name now"))
		}
		return s.print(note("you are " + name + " now"))
	}
	return s.print(note(fmt.Sprintf("/%s is no command; /help lists them", visible(verb))))
}
