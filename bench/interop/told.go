package interop

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/gobwas/ws"
)

// told is what a client printed.
type told struct {
	heard  []Message
	closed string
	strays []string // lines that mean nothing
}

// mostLine is a large message in hexadecimal, and some.
const mostLine = 2*large + 64

// read reads all that a client prints.
func (t *told) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, mostLine)
	for lines.Scan() {
		word, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		switch word {
		case "text", "binary":
			b, err := hex.DecodeString(rest)
			if err != nil {
				return fmt.Errorf("the client prints %s %.40s: %w", word, rest, err)
			}
			m := Message{ws.OpBinary, string(b)}
			if word == "text" {
				m.Op = ws.OpText
			}
			t.heard = append(t.heard, m)
		case "closed":
			t.closed = rest
		default:
			t.strays = append(t.strays, fmt.Sprintf("the client prints %.80q", lines.Text()))
		}
	}
	return lines.Err()
}
