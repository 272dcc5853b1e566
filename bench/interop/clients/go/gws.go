package main

import (
	"context"
	"errors"

	"github.com/lxzan/gws"
)

// gwsEvents hears for the client.
type gwsEvents struct {
	gws.BuiltinEventHandler
	ended error
}

func runGWS(_ context.Context, url string, offer bool) (code int, err error) {
	events := new(gwsEvents)
	conn, _, err := gws.NewClient(events, &gws.ClientOption{
		Addr:              url,
		PermessageDeflate: gws.PermessageDeflate{Enabled: offer, ServerContextTakeover: true, ClientContextTakeover: true},
	})
	if err != nil {
		return 0, err
	}
	for _, m := range script() {
		op := gws.OpcodeBinary
		if m.text {
			op = gws.OpcodeText
		}
		if err := conn.WriteMessage(op, []byte(m.whole())); err != nil {
			return 0, err
		}
	}
	conn.ReadLoop()
	var closed *gws.CloseError
	if errors.As(events.ended, &closed) {
		return int(closed.Code), nil
	}
	return unknown, nil // it closed first: the answer is not looked at
}

// OnPing implements gws.Event.
func (*gwsEvents) OnPing(conn *gws.Conn, payload []byte) { _ = conn.WritePong(payload) }

// OnClose implements gws.Event.
func (e *gwsEvents) OnClose(_ *gws.Conn, err error) { e.ended = err }

// OnMessage implements gws.Event.
func (*gwsEvents) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close()
	if heard(m.Opcode == gws.OpcodeText, m.Bytes()) {
		_ = conn.WriteClose(1000, nil) // the tap sees whether it comes
	}
}
