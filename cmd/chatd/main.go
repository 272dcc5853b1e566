// Command chatd is a chat and broadcast server for very many connections.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"chatd/cmd/chatd/admin"
	"chatd/cmd/chatd/api"
	"chatd/cmd/chatd/certs"
	"chatd/cmd/chatd/check"
	"chatd/cmd/chatd/logging"
	"chatd/cmd/chatd/streams"
	"chatd/cmd/chatd/talk"
	"chatd/cmd/chatd/upgrade"
	"chatd/poller"
	"chatd/poller/tls13"
	"chatd/room"
	"chatd/room/carry"
	"chatd/static"
)

// Exit statuses.
const (
	exitFailed = 1 // the server could not start or run, or had to be ended by force
	exitUsage  = 2 // a flag or its value is wrong
)

func main() {
	if len(os.Args) > 1 {
		switch args := os.Args[2:]; os.Args[1] {
		case "check":
			os.Exit(check.Run(args, os.Stdout, os.Stderr))
		case "chat":
			os.Exit(talk.Run(args, os.Stdin, os.Stdout, os.Stderr))
		case "nats":
			os.Exit(streams.Run(args, os.Stdout, os.Stderr))
		case "upgrade":
			os.Exit(upgrade.Run(args, os.Stdout, os.Stderr))
		}
	}
	program := upgrade.Started()
	opts, err := parseOptions(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err == nil && opts.version:
		fmt.Println("chatd", version())
		return
	}
	var before *upgrade.State
	if err == nil {
		before, err = upgrade.Inherit(opts.verifyState)
	}
	signals := watchSignals()
	if opts.verifyState { // all that is to be said is what is wrong
		opts.logFormat, opts.logLevel = logging.Text, silent
	}
	out := logging.NewWriter(syscall.Stderr, opts.logFormat)
	status := exitUsage
	if err == nil {
		status = exitFailed
		log := slog.New(opts.logFormat.Handler(out, opts.logLevel))
		slog.SetDefault(log) // for libraries that log by themselves
		err = serve(program, before, signals, opts, log, out)
	}
	if errors.As(err, new(usageError)) {
		status = exitUsage
	}
	if err != nil {
		opts.logFormat.Failure(out, err)
		exit(out, status)
	}
	out.Close()
}

// silent is a level that no line has.
const silent = slog.Level(math.MaxInt)

// usageError is what is wrong with a flag's value, found out by trying it.
type usageError struct{ error }

// exit ends the process with the last lines of its log.
func exit(out *logging.Writer, status int) {
	out.Close()
	os.Exit(status)
}

// serve runs the server, which program is, until one of signals sends it away, and then
// sends everybody away. Its log is written to out. What the program before has left, if
// there was one, goes on; or, if this one is only tried, it is seen whether it could.
func serve(program upgrade.Program, before *upgrade.State, signals signals, opts options, log *slog.Logger, out *logging.Writer) (err error) {
	trial := before != nil && before.Trial
	page, err := static.Handler(opts.assets, static.Facts{
		MaxMessage:   opts.maxMessage,
		RateMessages: opts.rateMessages,
		RateBytes:    opts.rateBytes,
	})
	if err != nil {
		return usageError{fmt.Errorf("-assets: %w", err)}
	}
	secrets, err := opts.secrets()
	if err != nil {
		return usageError{err}
	}
	key, err := opts.tokenKey()
	if err != nil {
		return usageError{err}
	}
	tokens, err := opts.apiTokens()
	if err != nil {
		return usageError{err}
	}
	programs := api.New(tokens, opts.maxMessage)
	certificates, err := opts.tls.Open(log)
	if err != nil {
		return usageError{err}
	}
	elsewhere := opts.data != "" || len(opts.nats.URLs) > 0
	if trial { // they are the running server's
		opts.data, opts.nats.URLs = "", nil
	}
	store, err := opts.store(log)
	if err != nil {
		return usageError{err}
	}
	shared, shown, err := opts.shared(log)
	if err != nil {
		return err
	}
	sockets, err := openSockets(opts, before, log)
	if err != nil {
		return err
	}
	defer sockets.remove(log)
	if err := sockets.contradicted(opts); err != nil {
		return usageError{err}
	}
	maxConns, err := connLimit(opts.maxConns, sockets.others(), log)
	if err != nil {
		return err
	}
	maxRooms := capacity(opts.maxRooms, log)
	listeners, err := sockets.listen(certificates != nil, log)
	if err != nil {
		return err
	}
	config := opts.room()
	config.MaxConns, config.MaxRooms, config.Page, config.API, config.Secrets, config.Tokens, config.Log = maxConns, maxRooms, page, programs, secrets, key, log
	switch {
	case store != nil:
		config.Order = store
	case shared != nil:
		config.Order, config.Nodes, config.OrderGrace = shared, shared, sharedGrace
	case elsewhere:
		config.Order = nowhere{}
	}
	if certificates != nil {
		config.TLS = tls13.NewAcceptor(certificates.Config())
	}
	if sockets.redirect != nil {
		config.Page = certs.HSTS(config.Page)
	}
	operators := newOperators(sockets.admin, opts.adminNames(), &config, log)
	defer operators.close()
	limitGarbage()
	opts.useCPUs()
	pool := poller.NewPool(opts.workers-1, opts.ioUring.sender(log), log)
	defer pool.Close()
	epoll, err := poller.New(pool, func(err error) { log.Error("waiting for events failed", "err", err) })
	if err != nil {
		return err
	}
	defer epoll.Close()
	defer closeStore(store, &err) // before the pool, which hears of it
	defer closeShared(shared, log)

	server := room.New(config, pool, epoll, listeners.resume)
	everything := whole{server, epoll, listeners, log}
	manager := manager{log}
	upgrader := upgrade.New(upgrade.Config{
		Program: program,
		Version: version(),
		Server:  everything,
		Sockets: func(w *carry.Writer) error { return sockets.carry(w, listeners) },
		Keep:    func() error { return flushStore(store) },
		Tell:    manager.tell,
		Flush:   out.Flush,
		Timeout: upgrade.Timeout,
		Log:     log,
	})
	garbage := debug.SetGCPercent(-1) // what is restored is none, and nobody is served meanwhile
	if before == nil {
		err = openRooms(server, store, maxRooms, log)
	} else {
		err = restore(everything, upgrader, before)
	}
	if err != nil || trial {
		return err
	}
	programs.Begin(server)
	accept := func() error { return listeners.start(epoll, pool, server) }
	if before == nil {
		err = accept()
	} else {
		err = server.Revive(accept)
	}
	if err != nil {
		return err
	}
	debug.SetGCPercent(garbage)
	defer tick(server, listeners)()
	defer watchTokens(key, tokens, log)()
	if certificates != nil {
		defer certificates.Watch()()
	}
	redirect := sockets.leadTo(listeners.tls, log)
	operators.start(admin.Source{Server: server, Pool: pool, Listeners: listeners.all, API: programs, MaxConns: maxConns, Version: version(), LogLinesLost: out.Lost, TokenKey: key, APITokens: tokens, Store: store, NATS: shown, Certs: certificates, Upgrades: &upgrader.Counts})
	log.Info("listening", append(listeners.attrs(), "max_conns", maxConns, "max_rooms", maxRooms, "workers", opts.workers, "workers_from", opts.workersFrom())...)
	upgrader.Resume()
	defer manager.watch(server)()
	var reread func()
	if len(opts.tls.Certs) > 0 { // an authority's are not in files of others
		reread = certificates.Reread
	}
	signal, more := signals.first(reread, upgrader, log)

	manager.tell(daemon.SdNotifyStopping)
	limit := opts.drainSpread + opts.drainTimeout
	log.Info("shutting down", "signal", signal, "connections", server.Conns(), "at_most", limit)
	go hurry(signals.end, more, limit+abortTimeout, log, out)
	sockets.remove(log)
	listeners.close()
	redirect.Close()
	drain, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		log.Warn("not everybody took what was queued in time", "drain_timeout", opts.drainTimeout)
	}
	return nil
}

// restore has the server go on with what the program before has left. If this one is only
// tried, it says that it could.
func restore(server whole, u *upgrade.Upgrader, before *upgrade.State) error {
	r, err := before.Server()
	if err != nil {
		return err
	}
	set, err := server.restore(r)
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	if err := u.Restore(before, r); err != nil {
		return err
	}
	if before.Trial {
		before.Good()
		return nil
	}
	server.inherit(set)
	return nil
}

// abortTimeout is for the kernel to close the sockets of those that did not go
// by themselves.
const abortTimeout = 5 * time.Second

// hurry ends the process after so many more signals, or when the shutdown takes
// longer than it may: the kernel closes what is left.
func hurry(signals <-chan os.Signal, more int, after time.Duration, log *slog.Logger, out *logging.Writer) {
	overdue := time.After(after)
	for ; more > 0; more-- {
		select {
		case <-signals:
		case <-overdue:
			log.Warn("the shutdown takes too long, ending at once")
			exit(out, exitFailed)
		}
	}
	log.Warn("second signal, ending at once")
	exit(out, exitFailed)
}

// capacity says how many connections the host can hold, and returns how many
// rooms to have at a time: wanted, or, if that is 0, as many as memory allows;
// 0 if that is not known.
func capacity(wanted int, log *slog.Logger) (rooms int) {
	machine, err := check.Read("/")
	if err != nil {
		log.Warn("can't tell how many connections this host can hold", "err", err)
		return wanted
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "capacity", machine.Verdict().LogAttrs()...)
	return roomLimit(wanted, machine)
}

// tick keeps the server's clock going until stop is called.
func tick(server *room.Server, listeners listeners) (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tidy := tidier{collect: debug.FreeOSMemory}
		clock := clock{begun: time.Now()}
		ticker := time.NewTicker(room.TickInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				for range clock.due(time.Now()) {
					server.Tick()
				}
				listeners.resume() // descriptors may have been freed by others
				tidy.tick(server.Conns())
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}
