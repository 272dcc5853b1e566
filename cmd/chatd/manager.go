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
type manager struct{ log *slog.Logger }

// watch feeds the watchdog, if there is one, for as long as the workers work, until stop
// is called.
func (m manager) watch(server *room.Server) (stop func()) {
	ctx, stop := context.WithCancel(context.Background())
	interval, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		m.log.Warn("systemd's watchdog is not fed", "err", err)
	}
	if interval > 0 {
		go m.feed(ctx, server, interval/2)
	}
	return stop
}

// feed tells the watchdog at each interval that the hub has answered. It may be
// held up by a manager that is stuck.
func (m manager) feed(ctx context.Context, server *room.Server, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if server.Alive(ctx) == nil {
				m.notify(daemon.SdNotifyWatchdog)
			}
		case <-ctx.Done():
			return
		}
	}
}

// tellTimeout is how long the server waits for a manager that is stuck.
const tellTimeout = 500 * time.Millisecond

// tell is notify that takes a moment at most.
func (m manager) tell(state string) {
	told := make(chan struct{})
	go func() {
		m.notify(state)
		close(told)
	}()
	select {
	case <-told:
	case <-time.After(tellTimeout):
		m.log.Warn("systemd does not take what it is told", "what", state)
	}
}

func (m manager) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		m.log.Warn("systemd can't be told", "what", state, "err", err)
	}
}
