package interop

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/goleak"
)

// program is chatd, self the tests, which are clients and tools, too.
var program, self string

// asClient has the tests be a client with a fault, asTool a tool.
const (
	asClient = "INTEROP_TEST_CLIENT"
	asTool   = "INTEROP_TEST_TOOL"
)

func TestMain(m *testing.M) {
	if fault, ok := os.LookupEnv(asClient); ok {
		os.Exit(beClient(fault, os.Args[1], os.Args[2]))
	}
	if fault, ok := os.LookupEnv(asTool); ok {
		os.Exit(beTool(fault, net.JoinHostPort(os.Args[1], os.Args[2])))
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "interop")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "chatd")
		if out, err := exec.Command("go", "build", "-o", program, "chatd/cmd/chatd").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
		if self, err = os.Executable(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		status := m.Run()
		http.DefaultClient.CloseIdleConnections()
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return status
	}())
}

// beClient is a client that does as the others do, but for a fault.
func beClient(fault, url, how string) (status int) {
	dialer := ws.Dialer{}
	if how == "offer" {
		dialer.Header = ws.HandshakeHeaderHTTP{"Sec-WebSocket-Extensions": {"permessage-deflate"}}
	}
	conn, _, _, err := dialer.Dial(context.Background(), url)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer conn.Close()
	for i, m := range Greeting() {
		half := len(m.Payload) / 2
		for j, part := range []string{m.Payload[:half], m.Payload[half:]} {
			op := m.Op
			if j > 0 {
				op = ws.OpContinuation
			}
			if fault == "another text" && i == 2 {
				part = strings.ToUpper(part)
			}
			if err := ws.WriteFrame(conn, ws.MaskFrame(ws.NewFrame(op, j > 0, []byte(part)))); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
	}
	return listen(conn, fault)
}

func listen(conn net.Conn, fault string) (status int) {
	control := wsutil.ControlFrameHandler(conn, ws.StateClientSide)
	for n := 0; ; {
		h, err := ws.ReadHeader(conn)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		switch {
		case h.OpCode == ws.OpPing && fault == "no pong":
			continue
		case h.OpCode == ws.OpClose:
			fmt.Println("closed 1000")
			return 0
		case h.OpCode.IsControl():
			if err := control(h, conn); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			continue
		}
		b := make([]byte, h.Length)
		if _, err := io.ReadFull(conn, b); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		n++
		kind := map[ws.OpCode]string{ws.OpText: "text", ws.OpBinary: "binary"}[h.OpCode]
		if fault != "deaf" || n != 6 {
			fmt.Println(kind, hex.EncodeToString(b))
		}
		if string(b) == bye.Payload {
			switch fault {
			case "status":
				fmt.Fprintln(os.Stderr, "planted")
				return 3
			case "for ever":
				select {}
			}
			code := ws.StatusNormalClosure
			if fault == "code" {
				code = ws.StatusGoingAway
			}
			if err := ws.WriteFrame(conn, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))); err != nil {
				return 1
			}
		}
	}
}

// beTool sends what a tool has to, but for a fault.
func beTool(fault, addr string) (status int) {
	for user := range toolUsers {
		conn, _, err := websocket.Dial(context.Background(), "ws://"+addr+"/ws", nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		for i := range toolMessages {
			if fault == "one less" && user == 1 && i == 1 {
				continue
			}
			if err := conn.Write(context.Background(), websocket.MessageText, []byte("hello")); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if fault == "status" {
		fmt.Fprintln(os.Stderr, "planted")
		return 3
	}
	return 0
}

func config(timeout time.Duration) Config {
	return Config{Chatd: program, Clients: "clients", Bin: "nowhere", Timeout: timeout}
}

// itself is the tests as a client.
func itself() *Client {
	return &Client{Name: "itself", Version: []string{"echo", "1"}, Command: []string{self}, Deflate: Choice, Fragments: true}
}

func TestAClientWithoutFaultsHasNone(t *testing.T) {
	t.Setenv(asClient, "")
	for _, m := range []Mode{Plain, Declined, Secure} {
		faults, err := config(time.Minute).Run(t.Context(), itself(), m)
		if err != nil || len(faults) > 0 {
			t.Errorf("%s: %q, %v", m, faults, err)
		}
	}
}

func TestPlantedFaultsAreFound(t *testing.T) {
	const soon = 4 * time.Second // for what never comes
	for fault, plant := range map[string]struct {
		says    string
		timeout time.Duration
	}{
		"another text": {"the neighbour heard text 46524147", time.Minute},
		"deaf":         {"the client heard ", time.Minute},
		"code":         {"the client closes with 1001", time.Minute},
		"status":       {"the client ended with exit status 3: planted", time.Minute},
		"no pong":      {"no ping is answered", soon},
		"for ever":     {"the client did not end", soon},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Setenv(asClient, fault)
			faults, err := config(plant.timeout).Run(t.Context(), itself(), Plain)
			if err != nil || !strings.Contains(strings.Join(faults, "; "), plant.says) {
				t.Errorf("%q, %v", faults, err)
			}
		})
	}
}

func TestPlantedFaultsAreFoundOverTLS(t *testing.T) {
	for fault, says := range map[string]string{
		"deaf":    "the client heard ",
		"no pong": "the client ended with exit status 1",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Setenv(asClient, fault)
			faults, err := config(time.Minute).Run(t.Context(), itself(), Secure)
			if err != nil || !strings.Contains(strings.Join(faults, "; "), says) {
				t.Errorf("%q, %v", faults, err)
			}
		})
	}
}

func TestToolsThatDeliverLessAreFound(t *testing.T) {
	for fault, says := range map[string]string{
		"":         "",
		"one less": "the neighbour heard 499 messages of 500",
		"status":   "it ended with exit status 3: planted",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Setenv(asTool, fault)
			row, err := config(time.Minute).ToolRow(t.Context(), &Tool{Name: "itself", Version: []string{"echo", "1"}, Command: []string{self}})
			if got := strings.Join(row.Faults, "; "); err != nil || got != says {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestWhoIsRefusedIsCounted(t *testing.T) {
	got := counted(map[string]float64{
		`chatd_handshake_failures_total{reason="origin"}`: 20, `chatd_handshake_failures_total{reason="bad"}`: 0,
		`chatd_dropped_total{reason="reset"}`: 3, `chatd_dropped_total{reason="utf8"}`: 1, "chatd_messages_total": 7,
	})
	if want := `chatd_dropped_total{reason="utf8"} 1; chatd_handshake_failures_total{reason="origin"} 20`; strings.Join(got, "; ") != want {
		t.Errorf("%q", got)
	}
}
