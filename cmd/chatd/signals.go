package main

import (
	"os"
	"os/signal"
	"syscall"
)

// signals are those that send the server away.
type signals struct {
	end    chan os.Signal // SIGINT and SIGTERM: the first drains, a second ends the process at once
	hangup chan os.Signal // SIGHUP: drains, or has files read again

	terminal bool // there was one at the start
}

// watchSignals takes the signals that are the server's for the process's life.
func watchSignals() signals {
	// What its log may raise: its reader is gone, its terminal is another job's.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGTTOU)
	s := signals{end: make(chan os.Signal, 2), hangup: make(chan os.Signal, 1), terminal: hasTerminal()}
	signal.Notify(s.end, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(s.hangup, syscall.SIGHUP)
	}
	return s
}

// first waits until the server has to go. It returns the signal, and how many
// more at s.end end the process at once. SIGHUP does not count: a terminal that
// is closed sends it twice, and a service manager sends it beside SIGTERM.
//
// If there is something to read again, SIGHUP asks for that, unless it says that the
// terminal is gone.
func (s signals) first(reread func()) (sig os.Signal, more int) {
	for {
		select {
		case sig = <-s.end:
			return sig, 1
		case sig = <-s.hangup:
			if reread == nil || s.terminal && !hasTerminal() {
				return sig, 2
			}
			reread()
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
