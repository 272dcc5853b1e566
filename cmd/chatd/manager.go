package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"chatd/room"
)

// manager is the service manager, systemd, as far as it wants to be told how
// the server does (sd_notify(3)). Where there is none, nothing is done.
type manager struct {
	log  *slog.Logger
	stop context.CancelFunc
	done chan struct{} // closed, once in a life, when the watchdog is fed no more
}

// newManager feeds the watchdog, if there is one, for as long as the workers
// work.
func newManager(server *room.Server, log *slog.Logger) *manager {
	ctx, stop := context.WithCancel(context.Background())
	m := &manager{log: log, stop: stop, done: make(chan struct{})}
	interval, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		log.Warn("systemd's watchdog is not fed", "err", err)
	}
	go func() {
		defer close(m.done)
		if interval > 0 {
			m.feed(ctx, server, interval/2)
		}
	}()
	return m
}

// feed tells the watchdog at each interval that the hub has answered.
func (m *manager) feed(ctx context.Context, server *room.Server, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if server.Alive(ctx) == nil {
				m.tell(daemon.SdNotifyWatchdog)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (m *manager) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.log.Warn("systemd can't be told", "what", state, "err", err)
	}
}

// close ends the feeding.
func (m *manager) close() {
	m.stop()
	<-m.done
}
