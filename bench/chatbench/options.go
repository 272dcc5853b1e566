package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/load"
	"chatd/bench/result"
)

// options are the flags of a scenario.
type options struct {
	url, server, name, json string
	dialect                 string
	pid, share              int
	header                  http.Header
	duration, warmup, limit time.Duration
	versus                  string
	members, pairs          int
	syscalls, resume        bool
	params                  result.Params
}

// flags makes a scenario's flags.
func flags(name string) (*options, *flag.FlagSet) {
	o := options{header: make(http.Header)}
	fs := flag.NewFlagSet("chatbench "+name, flag.ContinueOnError)
	fs.StringVar(&o.url, "url", "ws://127.0.0.1:8080/ws", "the server's `ws://` URL, or wss://, of any certificate")
	fs.Func("header", "`Name: value` to send with each handshake; repeatable", func(v string) error {
		key, value, ok := strings.Cut(v, ":")
		if !ok || key == "" {
			return errors.New("must be Name: value")
		}
		o.header.Add(strings.TrimSpace(key), strings.TrimSpace(value))
		return nil
	})
	fs.Func("subprotocol", "`name` of a subprotocol to ask for; repeatable", func(v string) error {
		o.header.Add("Sec-WebSocket-Protocol", v)
		return nil
	})
	fs.StringVar(&o.server, "server", "", "start this `command`, wait until it listens, and stop it afterwards")
	fs.IntVar(&o.pid, "pid", 0, "the server's process, for its CPU and memory; not needed with -server")
	fs.StringVar(&o.name, "name", "", "what to call the server (default: its URL)")
	fs.StringVar(&o.json, "json", "", "write the figures to this `file`, too")
	if name != "herd" { // which is over when all are back
		fs.DurationVar(&o.duration, "duration", 10*time.Second, "measured time (ramp: of each step; rooms: of each run)")
	}
	spoken := load.Raw
	if name == "herd" || name == "publish" {
		spoken = load.Chat
	}
	fs.StringVar(&o.dialect, "dialect", spoken, "what server and clients speak: raw: every frame is a message; chat: chat.v1; events: server-sent events, and chat.v1 for those who send; centrifuge: the JSON protocol of centrifugal/centrifuge; centrifuge-events: the same as server-sent events; mercure: those of dunglas/mercure, and its HTTP API for those who send")
	if name == "storm" {
		fs.BoolVar(&o.resume, "resume", false, "resume a session of TLS, once there is one, instead of making a whole handshake each time")
	} else {
		fs.IntVar(&o.share, "clients-per-process", 0, "clients of one process of the harness, which starts as many as it takes; 0: what the descriptor limit allows")
	}
	if sends(name) {
		fs.IntVar(&o.params.MessageBytes, "size", 128, "message size in `bytes`; of other dialects than raw that of the text")
		fs.DurationVar(&o.warmup, "warmup", time.Second, "time before measuring")
		fs.BoolVar(&o.syscalls, "syscalls", false, "count the server's system calls, too, with perf; each costs a little more then")
	}
	if name == "rooms" {
		o.roomsFlags(fs)
		return &o, fs
	}
	if name == "herd" {
		o.herdFlags(fs)
	}
	fs.IntVar(&o.params.Rooms, "rooms", 1, "rooms, over which the clients are spread evenly; 1: that of the URL; otherwise /r0, /r1 … behind it")
	if name != "storm" && name != "herd" {
		fs.IntVar(&o.params.Clients, "clients", 1000, "healthy clients")
	}
	if name == "publish" {
		fs.IntVar(&o.params.Senders, "publishers", 8, "who publish by HTTP, with an Authorization that -header gives")
		fs.Float64Var(&o.params.Rate, "rate", 0, "messages per second, over all publishers; 0: as fast as they are acknowledged")
	} else if sends(name) {
		fs.IntVar(&o.params.Senders, "senders", 0, "clients that send; 0: one in each room")
	}
	switch name {
	case "fanout", "stuck", "ramp":
		fs.Float64Var(&o.params.Rate, "rate", 50, "messages per second, over all senders (ramp: to begin with)")
	case "flood":
		fs.IntVar(&o.params.Outstanding, "outstanding", 0, "messages under way, over all senders; 0: 16 of each")
	}
	if name == "stuck" {
		fs.IntVar(&o.params.StuckClients, "stuck", 1000, "clients that never read")
	}
	if name == "ramp" {
		fs.DurationVar(&o.limit, "limit", 100*time.Millisecond, "highest p99 of the messages' last deliveries")
	}
	return &o, fs
}

// roomsFlags are those that only the scenario rooms has.
func (o *options) roomsFlags(fs *flag.FlagSet) {
	fs.IntVar(&o.params.Rooms, "rooms", 500, "rooms")
	fs.IntVar(&o.members, "members", 10, "clients of each room, one of which sends")
	fs.Float64Var(&o.params.Rate, "rate", 0, "messages per second, over all rooms; 0: one in each room")
	fs.StringVar(&o.versus, "versus", versusFlood, "`what` the rooms are compared with, in turn: flood: the same beside a flooded room; single: one room that gets all messages; raw: the same in raw frames as long as those of -dialect")
	fs.IntVar(&o.params.Outstanding, "outstanding", 256, "messages under way in the flooded room: as many as may wait for a client")
	fs.IntVar(&o.pairs, "pairs", 3, "how often each of both is run")
}

// herdFlags are those that only the scenario herd has.
func (o *options) herdFlags(fs *flag.FlagSet) {
	fs.IntVar(&o.params.Clients, "clients", 10000, "clients that are cut and come back, of one process of their own")
	fs.IntVar(&o.params.Staying, "staying", 1000, "clients that are not cut; some of them send")
	fs.IntVar(&o.params.Missed, "missed", 50, "messages of each room while they are away; those that come meanwhile are missed, too")
	fs.Float64Var(&o.params.Rate, "rate", 10, "messages per second, over all senders")
}

// sends reports whether a scenario's clients send messages.
func sends(name string) bool { return name != "idle" && name != "storm" }

func scenarioCommand(name, help string, out io.Writer) *ffcli.Command {
	o, fs := flags(name)
	return &ffcli.Command{
		Name: name, ShortHelp: help, ShortUsage: "chatbench " + name + " [flags]", FlagSet: fs,
		Exec: func(ctx context.Context, args []string) error {
			if err := o.check(name, args); err != nil {
				return err
			}
			return o.run(ctx, name, out)
		},
	}
}

// complete sets what depends on other flags.
func (o *options) complete(name string) {
	p := &o.params
	if name == "rooms" {
		p.Clients = p.Rooms * o.members
		p.Rate = cmp.Or(p.Rate, float64(p.Rooms))
		if o.versus != versusFlood {
			p.Outstanding = 0
		}
	}
	if sends(name) {
		p.Senders = cmp.Or(p.Senders, p.Rooms)
	}
	if name == "flood" {
		p.Outstanding = cmp.Or(p.Outstanding, 16*p.Senders)
	}
}

// check refuses flags that make no sense together.
func (o *options) check(name string, args []string) error {
	o.complete(name)
	p, sends := o.params, sends(name)
	least, gather := load.MinMessage(o.dialect), p.Clients
	if name == "herd" {
		gather = p.Staying // those from whom the senders are
	}
	switch {
	case len(args) > 0:
		return usageError("unexpected argument %q", args[0])
	case least == 0:
		return usageError("-dialect is %q: must be one of %s", o.dialect, strings.Join(load.Dialects(), ", "))
	case name == "herd" && !load.Resumes(o.dialect):
		return usageError("-dialect is %s: its clients have no places to come back to", o.dialect)
	case name == "publish" && !load.Numbers(o.dialect):
		return usageError("-dialect is %s: must be %s or %s, which tell the numbers of messages", o.dialect, load.Chat, load.Events)
	case name == "publish" && p.Senders < p.Rooms:
		return usageError("-publishers is %d: must be at least the number of rooms, %d", p.Senders, p.Rooms)
	case name == "publish" && p.Rate < 0:
		return usageError("-rate is %g: must not be negative", p.Rate)
	case name == "herd" && p.Staying < 1:
		return usageError("-staying is %d: must be at least 1", p.Staying)
	case name == "herd" && p.Missed < 1:
		return usageError("-missed is %d: must be at least 1", p.Missed)
	case p.Rooms < 1 || p.Rooms > load.MaxRooms-1:
		return usageError("-rooms is %d: must be from 1 to %d", p.Rooms, load.MaxRooms-1)
	case name == "rooms" && o.members < 1:
		return usageError("-members is %d: must be at least 1", o.members)
	case name != "storm" && p.Clients < 1:
		return usageError("-clients is %d: must be at least 1", p.Clients)
	case name == "rooms" && o.versus != versusFlood && o.versus != versusSingle && o.versus != versusRaw:
		return usageError("-versus is %q: must be %s, %s or %s", o.versus, versusFlood, versusSingle, versusRaw)
	case name == "rooms" && o.versus == versusRaw && o.dialect == load.Raw:
		return usageError("-versus raw needs another -dialect than raw to compare with")
	case name == "rooms" && o.pairs < 1:
		return usageError("-pairs is %d: must be at least 1", o.pairs)
	case name != "storm" && p.Rooms > min(p.Clients, gather):
		return usageError("-rooms is %d: must be at most the number of clients, %d", p.Rooms, min(p.Clients, gather))
	case name != "herd" && o.duration <= 0:
		return usageError("-duration is %s: must be more than 0", o.duration)
	case o.share < 0:
		return usageError("-clients-per-process is %d: must not be negative", o.share)
	case sends && name != "publish" && (p.Senders < 1 || p.Senders > gather):
		return usageError("-senders is %d: must be from 1 to the number of clients, %d", p.Senders, gather)
	case sends && p.MessageBytes < least:
		return usageError("-size is %d: must be at least %d, which sender, number and time take", p.MessageBytes, least)
	case sends && o.warmup < 0:
		return usageError("-warmup is %s: must not be negative", o.warmup)
	case sends && name != "flood" && name != "publish" && p.Rate <= 0:
		return usageError("-rate is %g: must be more than 0", p.Rate)
	case name == "flood" && p.Outstanding < p.Senders:
		return usageError("-outstanding is %d: must be at least the number of senders, %d", p.Outstanding, p.Senders)
	case name == "rooms" && o.versus == versusFlood && p.Outstanding < 1:
		return usageError("-outstanding is %d: must be at least 1", p.Outstanding)
	case name == "stuck" && p.StuckClients < 1:
		return usageError("-stuck is %d: must be at least 1", p.StuckClients)
	case o.server != "" && o.pid != 0:
		return usageError("-server and -pid exclude each other")
	case o.syscalls && o.server == "" && o.pid == 0:
		return usageError("-syscalls needs -server or -pid")
	}
	possible, err := clientsPerProcess()
	if err != nil {
		return err
	}
	if o.share == 0 {
		o.share = possible
	}
	switch {
	case o.share > possible:
		return usageError("-clients-per-process is %d: the file descriptor limit allows %d (ulimit -n)", o.share, possible)
	case name == "rooms" && o.members > o.share:
		return usageError("-members is %d: must be at most the clients of one process, %d", o.members, o.share)
	case name == "herd" && max(p.Clients, p.Staying) > o.share:
		return usageError("-clients is %d and -staying %d: must be at most the clients of one process each, %d", p.Clients, p.Staying, o.share)
	case p.Senders > p.Rooms*load.MaxRooms:
		return usageError("-senders is %d: must be at most %d for each room", p.Senders, load.MaxRooms)
	case p.Senders > o.share:
		return usageError("-senders is %d: must be at most the clients of one process, %d", p.Senders, o.share)
	case p.Clients+p.StuckClients > mostProcesses*o.share:
		return usageError("%d clients take more than %d processes of %d clients: raise the file descriptor limit (ulimit -n)", p.Clients+p.StuckClients, mostProcesses, o.share)
	}
	return nil
}

const (
	reservedFiles = 50 // descriptors that are not for clients
	mostProcesses = 64 // more would only be in each other's way
)

// clientsPerProcess is how many clients the descriptors of a process allow.
func clientsPerProcess() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	possible := int(limit.Cur) - reservedFiles
	if possible < 1 {
		return 0, usageError("the file descriptor limit of %d leaves no room for clients (ulimit -n)", limit.Cur)
	}
	return possible, nil
}
