// Package talk is the command "chatd chat": a room in a terminal, or in a pipe.
//
//	talk.go        Run: flags, and which of the two it is
//	address.go     where the room is
//	lines.go       in a pipe: lines in, lines out
//	screen.go      in a terminal: the line that is typed, and what is above it
//	commands.go    /name and its like
//	transcript.go  what is heard, as lines for people
//	untrusted.go   what others wrote, without its power over a terminal
//	client         the protocol
//
// It knows nothing of the server but chat.v1.
package talk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"chatd/cmd/chatd/talk/client"
	"chatd/room/chat"
	"chatd/room/position"
)

// Exit statuses of Run.
const (
	exitSaid   = 0 // all that was said is confirmed
	exitFailed = 1 // there is no chat, or something that was said is not confirmed
	exitUsage  = 2 // a flag or the URL is wrong
)

const help = `chatd chat is a room in a terminal, or in a pipe.

Usage: chatd chat [-name N] [-since POSITION] [-token-file FILE] [-json] URL

URL is host:port/room, the address of the room's page (https://host/r/room) or
of its WebSocket (wss://host/ws/room). Without a room it is lobby. At the address
of its events (https://host/rooms/room/events) it only listens. If the server wants
a token it is that of CHATD_TOKEN, or of a file.

In a terminal, /help lists what there is besides talking.

In a pipe, each line of standard input is said, but for empty ones, and what is
heard is written to standard output, the history first, as
  name: text
With the end of standard input it ends as soon as all that was said is
confirmed. With /dev/null as standard input it listens until it is interrupted,
or nobody reads what it writes. What others wrote is written with ␛, ␊ and the
like for control characters. Trouble is told on standard error.
  echo hello | chatd chat localhost:8080
  chatd chat -json localhost:8080/alerts </dev/null | jq .text
Exit status: 0 if all that was said is confirmed; 1 if it is not, or the server
cannot be reached at first or sent us away; 2 if a flag or URL is wrong. Once
connected, it comes back by itself after a loss, and misses nothing that the
server's history holds.

Flags:`

// options are what the command line says.
type options struct {
	json   bool
	room   string
	config client.Config
}

// listens tells if there are only events to be heard.
func (o *options) listens() bool { return strings.HasPrefix(o.config.URL.Scheme, "http") }

// Run is "chatd chat". It returns the exit status.
func Run(args []string, in, out, errs *os.File) int {
	o, err := parse(args, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitSaid
	case err != nil:
		fmt.Fprintln(errs, "chatd chat:", err)
		return exitUsage
	}
	if o.config.URL.Query().Has("token") {
		fmt.Fprintln(errs, "chatd chat: a token in the URL is seen by others on this host: give it in CHATD_TOKEN or with -token-file")
	}
	signal.Ignore(syscall.SIGPIPE) // a write says so, too
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if !o.json && !o.listens() && isScreen(in) && isScreen(out) {
		err = runScreen(ctx, o, in, out)
	} else {
		err = runLines(ctx, o, in, out, errs)
	}
	if err != nil {
		fmt.Fprintln(errs, "chatd chat:", visible(err.Error())) // it may quote the server
		return exitFailed
	}
	return exitSaid
}

// isScreen tells if f is a terminal that can do more than print.
func isScreen(f *os.File) bool {
	return term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

func parse(args []string, out io.Writer) (o options, err error) {
	fs := flag.NewFlagSet("chatd chat", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are reported once, by the caller
	fs.StringVar(&o.config.Name, "name", "", "the `name` to be called by, of 1 to 32 characters; none if empty")
	fs.StringVar(&o.config.Since, "since", "", "begin behind this `position`, as epoch.seq, or with what is said from now on; empty: with the history")
	tokenFile := fs.String("token-file", "", "a `file` with the token that the server wants, which is read again for each connection")
	fs.BoolVar(&o.json, "json", false, "write each event of chat.v1 as it came, one a line, and no transcript")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(out, help)
		fs.SetOutput(out)
		fs.PrintDefaults()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w (chatd chat -help lists the flags)", err)
	case fs.NArg() == 0:
		return o, errors.New("the URL is missing: chatd chat localhost:8080/room")
	case fs.NArg() > 1:
		return o, fmt.Errorf("unexpected argument %q: flags come first, then one URL", fs.Arg(1))
	}
	var ok bool
	if o.config.Name, ok = chat.CleanName(o.config.Name); !ok {
		return o, fmt.Errorf("-name: %s", badName)
	}
	if _, ok := position.ParseSince(o.config.Since); !ok {
		return o, fmt.Errorf("-since is %q: must be now, or a position as 9f3c21aa.1041", o.config.Since)
	}
	if o.config.URL, o.room, err = parseAddress(fs.Arg(0)); err != nil {
		return o, fmt.Errorf("%q: %w", fs.Arg(0), err)
	}
	if o.config.Token, err = tokenFrom(*tokenFile); err != nil {
		return o, fmt.Errorf("-token-file: %w", err)
	}
	return o, nil
}

// tokenFrom returns what gives the token of the file, or else of CHATD_TOKEN; nil if
// there is none.
func tokenFrom(file string) (func() (string, error), error) {
	if file == "" {
		token := strings.TrimSpace(os.Getenv("CHATD_TOKEN"))
		if token == "" {
			return nil, nil
		}
		return func() (string, error) { return token, nil }, nil
	}
	read := func() (string, error) {
		b, err := os.ReadFile(file)
		token := strings.TrimSpace(string(b))
		if err == nil && token == "" {
			err = fmt.Errorf("%s is empty", file)
		}
		return token, err
	}
	_, err := read()
	return read, err
}

// badName says what a name is.
var badName = fmt.Sprintf("a name has 1 to %d characters, none of which controls lines or directions", chat.MaxName)
