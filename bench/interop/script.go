package interop

import (
	"encoding/hex"
	"strings"

	"github.com/gobwas/ws"
)

// Message is one message, as text or binary.
type Message struct {
	Op      ws.OpCode
	Payload string
}

func (m Message) String() string {
	kind := "binary"
	if m.Op == ws.OpText {
		kind = "text"
	}
	const most = 12
	shown := hex.EncodeToString([]byte(m.Payload[:min(len(m.Payload), most)]))
	if len(m.Payload) > most {
		shown += "…"
	}
	return kind + " " + shown
}

// large is as large as a message may be by default.
const large = 64 << 10

// Greeting is what every client sends.
func Greeting() []Message {
	var every [256]byte
	for i := range every {
		every[i] = byte(i)
	}
	return []Message{
		{ws.OpText, "Grüße, 世界 🙂"},
		{ws.OpBinary, string(every[:])},
		{ws.OpText, "fragmented"},
		{ws.OpText, strings.Repeat("x", large)},
	}
}

// answer is what the neighbour sends when it has heard the greeting. The last
// two are worth compressing.
func answer() []Message {
	return []Message{
		{ws.OpText, "from next door: ß"},
		{ws.OpBinary, string([]byte{0, 255, 10, 13, 128})},
		{ws.OpText, strings.Repeat("over the fence, ", 64)},
		{ws.OpBinary, strings.Repeat("\x00\x01\xfe\xff", large/4)},
	}
}

// bye asks the client to close.
var bye = Message{ws.OpText, "bye"}
