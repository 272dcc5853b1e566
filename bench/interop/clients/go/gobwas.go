package main

import (
	"context"
	"io"
	"net"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// runGobwas reads and writes frame by frame: that is what this library is for.
// The server sends no message in several frames.
func runGobwas(ctx context.Context, url string, offer bool) (code int, err error) {
	dialer := ws.Dialer{}
	if offer {
		dialer.Extensions = []httphead.Option{wsflate.DefaultParameters.Option()}
	}
	conn, buffered, agreed, err := dialer.Dial(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if buffered != nil {
		ws.PutReader(buffered) // nobody sends before we do
	}
	for _, m := range script() {
		if err := writeGobwas(conn, m, len(agreed.Extensions) > 0); err != nil {
			return 0, err
		}
	}
	for {
		f, err := readGobwas(conn)
		if err != nil {
			return 0, err
		}
		if compressed, err := wsflate.IsCompressed(f.Header); err != nil {
			return 0, err
		} else if compressed {
			if f, err = wsflate.DecompressFrame(f); err != nil {
				return 0, err
			}
		}
		switch f.Header.OpCode {
		case ws.OpPing:
			err = ws.WriteFrame(conn, ws.MaskFrame(ws.NewPongFrame(f.Payload)))
		case ws.OpClose:
			code, _ := ws.ParseCloseFrameData(f.Payload)
			return int(code), nil
		case ws.OpText, ws.OpBinary:
			if heard(f.Header.OpCode == ws.OpText, f.Payload) {
				err = ws.WriteFrame(conn, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

func readGobwas(conn net.Conn) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(conn); err != nil {
		return f, err
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(conn, f.Payload)
	return f, err
}

// writeGobwas compresses what is one frame.
func writeGobwas(conn net.Conn, m message, compress bool) error {
	op := ws.OpBinary
	if m.text {
		op = ws.OpText
	}
	for i, part := range m.parts {
		f := ws.NewFrame(op, i == len(m.parts)-1, []byte(part))
		op = ws.OpContinuation
		if compress && len(m.parts) == 1 {
			var err error
			if f, err = wsflate.CompressFrame(f); err != nil {
				return err
			}
		}
		if err := ws.WriteFrame(conn, ws.MaskFrame(f)); err != nil {
			return err
		}
	}
	return nil
}
