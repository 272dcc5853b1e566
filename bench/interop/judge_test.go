package interop

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// flawless is what a client without faults leaves, as far as it is judged.
func flawless(mode Mode) trace {
	frame := func(op ws.OpCode, fin, client bool, payload string) Frame {
		return Frame{ws.Header{Fin: fin, OpCode: op, Masked: client, Length: int64(len(payload))}, payload}
	}
	normal := string(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	t := trace{
		heard: slices.Concat(Greeting(), answer(), []Message{bye}),
		told:  told{closed: "1000"},
		wire: Wire{
			Request:  &http.Request{Host: "chat", Header: http.Header{}},
			Response: &http.Response{Header: http.Header{}},
			Client: []Frame{
				frame(ws.OpText, false, true, ""), frame(ws.OpContinuation, true, true, ""),
				frame(ws.OpPong, true, true, "there?"), frame(ws.OpClose, true, true, normal),
			},
			Server: []Frame{
				frame(ws.OpText, true, false, ""), frame(ws.OpPing, true, false, "there?"), frame(ws.OpClose, true, false, normal),
			},
		},
	}
	t.told.heard = slices.Clone(t.heard)
	if mode != Plain {
		t.wire.Request.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
	}
	if mode == Agreed {
		t.wire.Response.Header.Set("Sec-WebSocket-Extensions", "permessage-deflate")
		t.wire.Server[0].Rsv = 4
	}
	return t
}

func TestAFlawlessRunHasNoFaults(t *testing.T) {
	for _, m := range Modes {
		if faults := judge(flawless(m), m, true); faults != nil {
			t.Errorf("%s: %q", m, faults)
		}
	}
}

func TestEachFaultIsNamed(t *testing.T) {
	going := string(ws.NewCloseFrameBody(ws.StatusGoingAway, "away"))
	for says, plant := range map[string]struct {
		mode   Mode
		damage func(*trace)
	}{
		"no handshake": {Plain, func(t *trace) { t.wire.Request = nil }},
		"refused: 403 (Origin: http://else, Host: chat)": {Plain, func(t *trace) {
			t.wire.Refusal = "403"
			t.wire.Request.Header.Set("Origin", "http://else")
		}},
		"permessage-deflate is offered: true":          {Plain, func(t *trace) { *t = flawless(Declined) }},
		"permessage-deflate is offered: false":         {Declined, func(t *trace) { *t = flawless(Plain) }},
		"permessage-deflate is agreed on: false":       {Agreed, func(t *trace) { *t = flawless(Declined) }},
		"permessage-deflate is agreed on: true":        {Declined, func(t *trace) { *t = flawless(Agreed) }},
		"the server sends compressed messages: false":  {Agreed, func(t *trace) { t.wire.Server[0].Rsv = 0 }},
		"the server sends compressed messages: true":   {Declined, func(t *trace) { t.wire.Server[0].Rsv = 4 }},
		"the neighbour heard 8 messages of 9":          {Plain, func(t *trace) { t.heard = t.heard[:8] }},
		"the client heard 8 messages of 9":             {Plain, func(t *trace) { t.told.heard = t.told.heard[:8] }},
		"the client heard more than 9 messages":        {Plain, func(t *trace) { t.told.heard = append(t.told.heard, bye) }},
		"as number 1 instead of text 4772":             {Plain, func(t *trace) { t.told.heard[0], t.told.heard[1] = t.told.heard[1], t.told.heard[0] }},
		"the client heard binary 627965 (3 bytes)":     {Plain, func(t *trace) { t.told.heard[8].Op = ws.OpBinary }},
		"client: not a frame":                          {Plain, func(t *trace) { t.wire.Broken = "client: not a frame" }},
		"a message in several frames: false":           {Plain, func(t *trace) { t.wire.Client = t.wire.Client[2:] }},
		"frames are not masked":                        {Plain, func(t *trace) { t.wire.Client[0].Masked = false }},
		"no ping is answered":                          {Plain, func(t *trace) { t.wire.Client[2].Payload = "here" }},
		"the client closes with no close frame":        {Plain, func(t *trace) { t.wire.Client = t.wire.Client[:3] }},
		"the server closes with no close frame":        {Plain, func(t *trace) { t.wire.Server = t.wire.Server[:2] }},
		"the client closes with no code":               {Plain, func(t *trace) { t.wire.Client[3].Payload = "" }},
		"the client closes with 1001 away":             {Plain, func(t *trace) { t.wire.Client[3].Payload = going }},
		"the client closes with messages behind":       {Plain, func(t *trace) { t.wire.Client = append(t.wire.Client, t.wire.Client[0]) }},
		`the client says that it was closed with ""`:   {Plain, func(t *trace) { t.told.closed = "" }},
		`the client says that it was closed with "10"`: {Plain, func(t *trace) { t.told.closed = "10" }},
		"it did not end":                               {Plain, func(t *trace) { t.trouble = []string{"it did not end"} }},
	} {
		run := flawless(plant.mode)
		plant.damage(&run)
		if faults := judge(run, plant.mode, true); !strings.Contains(strings.Join(faults, "; "), says) {
			t.Errorf("%s: %q", says, faults)
		}
	}
}

func TestClosedWithoutACodeIsNoFault(t *testing.T) {
	run := flawless(Plain)
	run.told.closed = "-"
	if faults := judge(run, Plain, true); faults != nil {
		t.Errorf("%q", faults)
	}
}

func TestWhatAClientPrints(t *testing.T) {
	var got told
	if err := got.read(strings.NewReader("text 627965\nhello\nbinary 00ff\nclosed 1000\n")); err != nil {
		t.Fatal(err)
	}
	if want := []Message{bye, {ws.OpBinary, "\x00\xff"}}; !slices.Equal(got.heard, want) || got.closed != "1000" || len(got.strays) != 1 {
		t.Errorf("%+v", got)
	}
	if err := got.read(strings.NewReader("text 6\n")); err == nil {
		t.Error("half a byte is taken")
	}
}
