// Command goclient is a client on each of several Go libraries, and the one
// that starts browsers: goclient NAME URL plain|offer.
package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// patience is for what has to come at once.
const patience = 10 * time.Second

// client is the one on one library.
type client struct {
	module string
	run    func(ctx context.Context, url string, offer bool) (code int, err error)
}

// unknown stands for a close code that a library does not tell.
const unknown = -1

var clients = map[string]client{
	"gorilla": {"github.com/gorilla/websocket", runGorilla},
	"coder":   {"github.com/coder/websocket", runCoder},
	"nhooyr":  {"nhooyr.io/websocket", runNhooyr},
	"gobwas":  {"github.com/gobwas/ws", runGobwas},
	"gws":     {"github.com/lxzan/gws", runGWS},
	"xnet":    {"golang.org/x/net", runXNet},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "goclient:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 5 && args[0] == "browser" {
		return runBrowser(args[1], args[2], args[3])
	}
	if len(args) < 2 {
		return fmt.Errorf("usage: goclient NAME version | goclient NAME URL plain|offer | goclient browser PROGRAM PAGE URL offer")
	}
	c, ok := clients[args[0]]
	switch {
	case !ok:
		return fmt.Errorf("there is no client %q", args[0])
	case args[1] == "version":
		return version(c.module)
	}
	code, err := c.run(context.Background(), args[1], len(args) > 2 && args[2] == "offer")
	switch {
	case err != nil:
		return err
	case code == unknown:
		fmt.Println("closed -")
	default:
		fmt.Println("closed", strconv.Itoa(code))
	}
	return nil
}

// version prints the version of a module that is built in.
func version(module string) error {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == module {
			fmt.Println(strings.TrimPrefix(m.Version, "v"))
			return nil
		}
	}
	return fmt.Errorf("%s is not built in", module)
}

// message is what is sent: in several frames if it has several parts.
type message struct {
	text  bool
	parts []string
}

func script() []message {
	var every [256]byte
	for i := range every {
		every[i] = byte(i)
	}
	return []message{
		{true, []string{"Grüße, 世界 🙂"}},
		{false, []string{string(every[:])}},
		{true, []string{"frag", "men", "ted"}},
		{true, []string{strings.Repeat("x", 65536)}},
	}
}

// whole is the message in one part.
func (m message) whole() string { return strings.Join(m.parts, "") }

// heard tells of a message and returns whether it asks to close.
func heard(text bool, payload []byte) bool {
	kind := "binary"
	if text {
		kind = "text"
	}
	fmt.Println(kind, hex.EncodeToString(payload))
	return text && string(payload) == "bye"
}
