package upgrade

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"chatd/room/carry"
)

// Carrier is the server, whose state goes over.
type Carrier interface {
	// Freeze brings it to rest, with all connections as they are. If it fails, all goes on.
	Freeze(context.Context) error
	// Thaw has it go on.
	Thaw()
	// Carry writes its state, with the descriptors that have to stay. It is frozen.
	Carry(*carry.Writer)
	// Conns is the number of open connections.
	Conns() int64
}

const (
	// Timeout is how long the new program may take, in all, to say that it can go on, and
	// perConn how much longer for each connection that it has to read of: ten times what a
	// slow machine takes. But no more than mostMore: nobody is served meanwhile, and a service
	// manager's watchdog is not fed.
	Timeout  = 10 * time.Second
	perConn  = 100 * time.Microsecond
	mostMore = 30 * time.Second
	// freezeTimeout is how long the server may take to come to rest.
	freezeTimeout = 5 * time.Second
)

// Config is what an Upgrader works with.
type Config struct {
	Program Program
	Version string
	Server  Carrier
	// Sockets writes those that are listened on, with their descriptors. It is called
	// while they are in use.
	Sockets func(*carry.Writer) error
	// Keep has on disk what is to outlive the program. It is called twice: what there is to do
	// when all stands still is little.
	Keep func() error
	// Tell tells the service manager something; it takes a moment at most.
	Tell func(state string)
	// Flush has the log written, as far as that takes a moment at most.
	Flush   func()
	Timeout time.Duration
	Log     *slog.Logger
}

// Upgrader replaces the program. Only one goroutine may use it, but for Counts.
type Upgrader struct {
	Config
	Counts Counts

	state   *State        // that this program has begun with, until Resume; nil: none
	frozen  time.Duration // since when nobody is served, on the clock that programs share
	before  int64         // connections, at that time
	carried int64         // those that were there in the next program
	from    string        // the version before, in one that has begun with a state
	asker   *asker        // who has asked and waits; nil: nobody
	last    Result
}

// New is an Upgrader of the running program.
func New(c Config) *Upgrader { return &Upgrader{Config: c} }

// Run tries to replace the program. It returns if that can't be; then all goes on as
// before, and Answer is to be called. When ctx ends first the upgrade is given up.
func (u *Upgrader) Run(ctx context.Context) {
	u.Tell(fmt.Sprintf("%s\nMONOTONIC_USEC=%d\n%s", daemon.SdNotifyReloading, monotonic().Microseconds(), daemon.SdNotifyWatchdog))
	next := u.Program
	u.asker = meet(os.Getpid(), u.Log)
	if path := u.asker.path(); path != "" {
		next = next.at(path)
	}
	u.Log.Info("upgrading", "program", next.Path)
	u.frozen = 0
	outcome, err := u.replace(ctx, next)
	r := Result{Outcome: outcome, Why: err.Error(), From: u.Version}
	if u.frozen > 0 {
		r.Unserved = monotonic() - u.frozen
	}
	u.Log.Error("no upgrade: the server goes on as it is", "outcome", outcome, "program", next.Path, "why", err, "unserved", r.Unserved.Round(time.Microsecond))
	u.end(r)
}

// end has all know of r, but for who has asked for it.
func (u *Upgrader) end(r Result) {
	u.Counts.add(r)
	u.last = r
	u.Tell(daemon.SdNotifyReady + "\n" + daemon.SdNotifyWatchdog)
}

// Answer tells what became of the upgrade to who has asked for it. From then on that one
// may ask again, so another one has to be possible.
func (u *Upgrader) Answer() {
	if u.last.Outcome == Done { // whoever asked meanwhile had a signal that the program before took
		u.Repeat()
	}
	u.asker.answer(u.last)
	u.asker = nil
}

// Repeat tells what became of the last upgrade to who has asked while it was under way.
func (u *Upgrader) Repeat() { meet(os.Getpid(), u.Log).answer(u.last) }

// replace goes all the way. It returns only with an error.
func (u *Upgrader) replace(ctx context.Context, next Program) (Outcome, error) {
	file, err := next.look()
	if err != nil {
		return Refused, err
	}
	memory, err := newMemory()
	if err != nil {
		return Failed, err
	}
	defer u.wipe(memory)
	handed, err := memory.begin(u.carryProcess)
	if err != nil {
		return Failed, err
	}
	handed.fds = append(handed.fds, memory.fd())
	trial, err := try(ctx, u.Timeout+min(time.Duration(u.Server.Conns())*perConn, mostMore), next, memory, handed)
	if err != nil {
		return because(ctx, Refused, err)
	}
	defer trial.end()
	if err := u.Keep(); err != nil {
		return Failed, err
	}
	if err := u.freeze(ctx); err != nil {
		return because(ctx, Failed, err)
	}
	defer u.Server.Thaw() // before the rest is tidied up
	if err := u.Keep(); err != nil {
		return Failed, err
	}
	server, err := memory.append(u.carryServer)
	if err != nil {
		return Failed, err
	}
	if err := memory.seal(); err != nil {
		return Failed, err
	}
	if err := trial.verify(); err != nil {
		return because(ctx, Refused, err)
	}
	if !next.unchanged(file) {
		return Refused, errors.New("its file was changed while it was tried")
	}
	u.Flush()
	// Nobody begins another program from now on.
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	return because(ctx, Failed, replace(ctx, next.with(fmt.Sprintf("%s=%d", stateVariable, memory.fd())), handed.with(server)))
}

// because is the outcome of a failure: nobody may have wanted it any more.
func because(ctx context.Context, o Outcome, err error) (Outcome, error) {
	if ctx.Err() != nil {
		return Stopped, errors.New("the server has to go")
	}
	return o, err
}

func (u *Upgrader) freeze(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	u.Tell(daemon.SdNotifyWatchdog)
	u.frozen = monotonic()
	return u.Server.Freeze(ctx)
}

func (u *Upgrader) wipe(m memory) {
	if err := m.wipe(); err != nil {
		u.Log.Error("a state was not wiped, and has secrets", "err", err)
	}
}

// carryProcess writes what is there before the server is frozen.
func (u *Upgrader) carryProcess(w *carry.Writer) error {
	w.Section("process")
	w.Int(int64(os.Getpid()))
	return u.Sockets(w)
}

// carryServer writes what is there once it is. A bug there is no reason for the server to
// end.
func (u *Upgrader) carryServer(w *carry.Writer) (err error) {
	defer func() {
		if bug := recover(); bug != nil {
			err = fmt.Errorf("a bug: %v", bug)
			u.Log.Error("the state can't be written", "panic", bug, "stack", string(debug.Stack()))
		}
	}()
	u.before = u.Server.Conns()
	u.Server.Carry(w)
	w.Section("upgrade")
	w.String(u.Version)
	w.Int(int64(u.frozen))
	w.Int(u.before)
	u.Counts.carry(w)
	u.asker.carry(w)
	return nil
}

// Restore reads the end of the state, behind the server's, which has been restored. It
// reports all that was wrong with the state.
func (u *Upgrader) Restore(s *State, r *carry.Reader) error {
	r.Section("upgrade")
	u.state = s
	u.from = r.String()
	u.frozen = time.Duration(r.Int())
	u.before, u.carried = r.Int(), u.Server.Conns()
	u.Counts.restore(r)
	asker := restoreAsker(r)
	if err := r.Close(); err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	if !s.Trial {
		u.asker = asker.begin(u.Log)
	}
	return nil
}

// Resume tells that the server goes on with the state that it has begun with, if there was
// one, and that it is ready.
func (u *Upgrader) Resume() {
	if u.state == nil {
		u.Tell(daemon.SdNotifyReady)
		return
	}
	r := Result{Outcome: Done, From: u.from, To: u.Version, Carried: u.carried, Left: u.before - u.carried, Unserved: monotonic() - u.frozen}
	u.Log.Info("upgraded", "from", r.From, "to", r.To, "carried", r.Carried, "left", r.Left, "unserved", r.Unserved.Round(time.Microsecond))
	if err := u.state.wipe(); err != nil {
		u.Log.Error("the state was not wiped, and has secrets", "err", err)
	}
	u.state = nil
	u.end(r)
	u.Answer()
}

// monotonic is the time on a clock that goes on over an exec.
func monotonic() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // can't fail
	return time.Duration(t.Nano())
}
