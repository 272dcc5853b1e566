package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"syscall"

	"github.com/peterbourgon/ff/v3/ffcli"

	"chatd/bench/load"
)

// crowd is all clients of a run: a fleet of this process, and, when there are
// more than its descriptors allow, fleets of other processes that report to
// this one. All senders are this one's, but for those of a [flood].
type crowd struct {
	own    *load.Fleet
	others []*helper
	share  int // clients of a process
}

// newCrowd makes a crowd that has place for so many clients.
func newCrowd(s *scenario, rooms load.Rooms, clients int) (*crowd, error) {
	own, err := load.NewFleet(s.target, rooms, s.params.MessageBytes, load.AtOnce, s.params.Senders)
	if err != nil {
		return nil, err
	}
	c := &crowd{own: own, share: s.share}
	for first := c.share; first < clients; first += c.share {
		h, err := startHelper(s.fleet(rooms, load.AtOnce))
		if err != nil {
			c.close()
			return nil, err
		}
		c.others = append(c.others, h)
	}
	return c, nil
}

func (c *crowd) close() {
	c.own.Close()
	for _, h := range c.others {
		h.stop()
	}
}

// connect opens count clients, numbered from first. Each step of its own
// process's part is reported.
func (c *crowd) connect(ctx context.Context, first, count int, kind load.Kind, step func(done int)) error {
	end := first + count
	for n := first; n < min(end, c.share); n++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.own.Connect(n, kind); err != nil {
			return err
		}
		if c.own.Counts().Failed > 0 {
			break
		}
		step(n - first)
	}
	c.own.Settled()
	for i, h := range c.others {
		from, to := max(first, (i+1)*c.share), min(end, (i+2)*c.share)
		if from < to {
			step(from - first)
			if err := h.call("Connect", ConnectArgs{from, to, kind}, &struct{}{}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *crowd) counts() (sum load.Counts) {
	sum = c.own.Counts()
	for _, h := range c.others {
		var n load.Counts
		if h.call("Counts", struct{}{}, &n) == nil { // one that died has failed the run
			sum.Opened += n.Opened
			sum.Failed += n.Failed
			sum.Open += n.Open
			sum.Dropped += n.Dropped
			sum.Delivered += n.Delivered
			sum.Bytes += n.Bytes
		}
	}
	return sum
}

// usage is the processor time of all processes, and that of the busiest.
func (c *crowd) usage() (all usage, busiest float64) {
	all = ownUsage()
	busiest = all.user + all.system
	for _, h := range c.others {
		var u Spent
		if h.call("Usage", struct{}{}, &u) == nil { // as above
			all.user += u.User
			all.system += u.System
			busiest = max(busiest, u.User+u.System)
		}
	}
	return all, busiest
}

func (c *crowd) measure(from, to int64) {
	c.own.Measure(from, to)
	for _, h := range c.others {
		_ = h.call("Measure", Window{from, to}, &struct{}{}) // as above
	}
}

// wake has those that lag read, or not.
func (c *crowd) wake(awake bool) {
	c.own.Wake(awake)
	for _, h := range c.others {
		_ = h.call("Wake", awake, &struct{}{}) // as above
	}
}

// report is what all clients found, after sent messages of each sender.
func (c *crowd) report(sent load.Sent) (load.Verdict, load.Latencies, error) {
	expected := c.own.Expected(sent)
	verdict, latencies := c.own.Verdict(expected), c.own.Latencies()
	for _, h := range c.others {
		var r Findings
		if err := h.call("Report", expected, &r); err != nil {
			return verdict, latencies, err
		}
		verdict.Merge(r.Verdict)
		latencies.Merge(r.Latencies)
	}
	return verdict, latencies, nil
}

// What goes to a helper and back.
type (
	// FleetConfig says whose clients a helper's are.
	FleetConfig struct {
		URL          string
		Dialect      string
		Header       http.Header
		Rooms        load.Rooms
		MessageBytes int
		AtOnce       int // handshakes
		Senders      int
	}
	// ConnectArgs asks for clients.
	ConnectArgs struct {
		From, To int // numbers
		Kind     load.Kind
	}
	// Window is when to measure, in nanoseconds of the monotonic clock.
	Window struct{ From, To int64 }
	// Spent is processor time in seconds.
	Spent struct{ User, System float64 }
	// Findings is what a helper's clients found.
	Findings struct {
		Verdict   load.Verdict
		Latencies load.Latencies
	}
)

// helper is another process with a fleet, which this one calls.
type helper struct {
	cmd *exec.Cmd
	rpc *rpc.Client
}

// pipes makes one stream of two.
type pipes struct {
	io.Reader
	io.WriteCloser
}

const helperCommand = "helper"

// fleet is the configuration of a helper.
func (s *scenario) fleet(rooms load.Rooms, atOnce int) FleetConfig {
	return FleetConfig{URL: s.url, Dialect: s.dialect, Header: s.header, Rooms: rooms, MessageBytes: s.params.MessageBytes, AtOnce: atOnce}
}

// startHelper starts a helper, by way of another program if one is named, with
// its arguments.
func startHelper(r FleetConfig, through ...string) (*helper, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	words := append(through, exe, helperCommand)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // Ctrl-C is for this process
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start another generator process: %w", err)
	}
	h := &helper{cmd: cmd, rpc: jsonrpc.NewClient(pipes{out, in})}
	if err := h.call("Configure", r, &struct{}{}); err != nil {
		h.stop()
		return nil, err
	}
	return h, nil
}

func (h *helper) call(method string, args, reply any) error {
	if err := h.rpc.Call("Remote."+method, args, reply); err != nil {
		return fmt.Errorf("another generator process: %w", err)
	}
	return nil
}

func (h *helper) stop() {
	h.rpc.Close() // the helper's input ends, and so does it
	_ = h.cmd.Wait()
}

// Remote is a helper's end: a fleet that is called.
type Remote struct {
	fleet   *load.Fleet
	senders []*load.Sender // of a flood
}

// Configure makes the fleet. It must be called first.
func (r *Remote) Configure(a FleetConfig, _ *struct{}) error {
	target, err := load.NewTarget(a.URL, a.Dialect, a.Header)
	if err != nil {
		return err
	}
	r.fleet, err = load.NewFleet(target, a.Rooms, a.MessageBytes, a.AtOnce, a.Senders)
	return err
}

// Connect opens clients and waits for their handshakes.
func (r *Remote) Connect(a ConnectArgs, _ *struct{}) error {
	for n := a.From; n < a.To; n++ {
		if err := r.fleet.Connect(n, a.Kind); err != nil {
			return err
		}
	}
	r.fleet.Settled()
	if r.fleet.Counts().Failed > 0 {
		v := r.fleet.Verdict(nil)
		return errors.New("the server does not take the clients: " + v.Lines()[0])
	}
	return nil
}

// Counts is the fleet's.
func (r *Remote) Counts(_ struct{}, reply *load.Counts) error {
	*reply = r.fleet.Counts()
	return nil
}

// Usage is what the process has used.
func (r *Remote) Usage(_ struct{}, reply *Spent) error {
	u := ownUsage()
	*reply = Spent{u.user, u.system}
	return nil
}

// Measure is the fleet's.
func (r *Remote) Measure(a Window, _ *struct{}) error {
	r.fleet.Measure(a.From, a.To)
	return nil
}

// Wake is the fleet's.
func (r *Remote) Wake(awake bool, _ *struct{}) error {
	r.fleet.Wake(awake)
	return nil
}

// Flood has a client keep so many messages outstanding.
func (r *Remote) Flood(outstanding int, _ *struct{}) (err error) {
	r.senders, err = r.fleet.Senders(1, outstanding)
	return err
}

// Stop ends the flood and replies what was sent.
func (r *Remote) Stop(_ struct{}, reply *load.Sent) error {
	for _, s := range r.senders {
		s.Stop()
	}
	r.fleet.Do(func() {}) // nobody is about to send any more
	*reply = r.fleet.Sent(r.senders)
	return nil
}

// Cut is the fleet's.
func (r *Remote) Cut(struct{}, *struct{}) error {
	r.fleet.Cut()
	return nil
}

// Return is the fleet's.
func (r *Remote) Return(struct{}, *struct{}) error { return r.fleet.Return() }

// Comeback is the fleet's.
func (r *Remote) Comeback(_ struct{}, reply *load.Comeback) error {
	*reply = r.fleet.Comeback()
	return nil
}

// Report is what the clients found.
func (r *Remote) Report(expected load.Sent, reply *Findings) error {
	*reply = Findings{r.fleet.Verdict(r.fleet.Expected(expected)), r.fleet.Latencies()}
	return nil
}

// helperProcess is the command line of a helper, which only newCrowd uses.
func helperProcess() *ffcli.Command {
	return &ffcli.Command{Name: helperCommand, ShortHelp: "(used by the other commands for more clients than one process can have)",
		Exec: func(context.Context, []string) error {
			s := rpc.NewServer()
			if err := s.Register(&Remote{}); err != nil {
				return err
			}
			s.ServeCodec(jsonrpc.NewServerCodec(pipes{os.Stdin, os.Stdout}))
			return nil
		}}
}
