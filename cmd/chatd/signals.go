package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"chatd/cmd/chatd/upgrade"
)

// signals are those that are for the server.
type signals struct {
	end    chan os.Signal // SIGINT and SIGTERM: the first drains, a second ends the process at once
	hangup chan os.Signal // SIGHUP: drains, or has files read again
	user2  chan os.Signal // SIGUSR2: has the program replaced

	terminal bool // there was one at the start
}

// watchSignals takes the signals that are the server's for the process's life.
func watchSignals() signals {
	// What its log may raise: its reader is gone, its terminal is another job's.
	// And what a file may raise that is too long: that is an error.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGTTOU, syscall.SIGXFSZ)
	s := signals{end: make(chan os.Signal, 2), hangup: make(chan os.Signal, 1), user2: make(chan os.Signal, 1), terminal: hasTerminal()}
	signal.Notify(s.end, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(s.hangup, syscall.SIGHUP)
	}
	// One that came to the program before, in its last moment, was the wish that has been
	// fulfilled: whoever ignores a signal forgets it.
	signal.Ignore(syscall.SIGUSR2)
	signal.Notify(s.user2, syscall.SIGUSR2)
	return s
}

// first waits until the server has to go. It returns the signal, and how many
// more at s.end end the process at once. SIGHUP does not count: a terminal that
// is closed sends it twice, and a service manager sends it beside SIGTERM.
//
// If there is something to read again, SIGHUP asks for that, unless it says that the
// terminal is gone. SIGUSR2 asks for an upgrade; all that come while one is under way are
// one wish.
func (s signals) first(reread func(), u *upgrade.Upgrader, log *slog.Logger) (sig os.Signal, more int) {
	var upgrading chan struct{} // nil: not now; closed at the end
	again := false              // somebody has asked meanwhile
	ctx, giveUp := context.WithCancel(context.Background())
	defer func() {
		giveUp()
		if upgrading != nil {
			<-upgrading
			u.Answer()
		}
	}()
	for {
		select {
		case sig = <-s.end:
			return sig, 1
		case sig = <-s.hangup:
			if reread == nil || s.terminal && !hasTerminal() {
				return sig, 2
			}
			reread()
		case <-s.user2:
			if upgrading != nil {
				log.Warn("an upgrade is under way already, and is what another signal asks for")
				again = true
				continue
			}
			done := make(chan struct{})
			upgrading = done
			go func() {
				defer close(done)
				u.Run(ctx)
			}()
		case <-upgrading:
			upgrading = nil
			u.Answer()
			if again {
				u.Repeat()
				again = false
			}
		}
	}
}

// hasTerminal reports whether the process has a controlling terminal.
func hasTerminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDONLY|syscall.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}
