package soak

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// upgrades is how many the server was asked for, and how many of them are over. Handshakes
// of TLS that are under way in one may be cut off. It may be used from anywhere.
type upgrades struct{ begun, over atomic.Int64 }

// since reports whether there was one since so many were over.
func (u *upgrades) since(over int64) bool { return u.begun.Load() > over }

// upgrade has the server replace its program, while everything goes on.
func (l *life) upgrade(ctx context.Context) {
	l.scraping.Lock() // a question that is being answered would be cut off
	defer l.scraping.Unlock()
	if ctx.Err() != nil {
		return
	}
	e := &l.evidence
	e.Upgrades.Asked++
	if err := l.replace(); err != nil {
		e.Upgrades.Faults = append(e.Upgrades.Faults, err.Error())
	}
}

// replace has the server replace its program, and looks who is left. Whoever reads finds
// out himself that he was cut off.
func (l *life) replace() error {
	c := l.crowd
	before, err := l.admin.scrape(context.Background())
	if err != nil {
		return err
	}
	var sleepers []*client
	c.do(func() {
		for _, cl := range c.clients {
			if cl.sleeps() {
				sleepers = append(sleepers, cl)
			}
		}
	})
	c.upgrades.begun.Add(1)
	err = l.server.Upgrade()
	c.upgrades.over.Add(1)
	if err != nil {
		return err
	}
	cut := 0
	c.do(func() {
		for _, cl := range sleepers {
			if cl.stage == open && !cl.connected() {
				cut++
			}
		}
	})
	after, err := l.admin.scrape(context.Background())
	if err != nil {
		return err
	}
	return went(before, after, cut)
}

// sleeps reports whether the client does not read, and is connected.
func (c *client) sleeps() bool { return c.stage == open && c.asleep && c.connected() }

// connected reports whether neither side has ended the stream: one who sleeps does not see
// it otherwise.
func (c *client) connected() bool {
	const established = 1 // TCP_ESTABLISHED
	info, err := unix.GetsockoptTCPInfo(int(c.FD()), unix.SOL_TCP, unix.TCP_INFO)
	return err == nil && info.State == established
}

// went says what is wrong with an upgrade, after which so many of those who slept are cut
// off.
func went(before, after Snapshot, cut int) error {
	for name, n := range before {
		if now, there := after[name]; counter(name) && (!there || now < n) {
			return fmt.Errorf("%s does not go on: %.0f after %.0f", name, now, n)
		}
	}
	if slow := after.slow() - before.slow(); float64(cut) > slow {
		return fmt.Errorf("clients that slept, and were cut off: %d, of whom %.0f were dropped as slow", cut, slow)
	}
	return nil
}

// counter reports whether a series is one of the server's own counters.
func counter(name string) bool {
	name, _, _ = strings.Cut(name, "{")
	return strings.HasPrefix(name, "chatd_") && strings.HasSuffix(name, "_total")
}

// slow is how many were dropped for it.
func (s Snapshot) slow() float64 {
	return s[`chatd_dropped_total{reason="slow_consumer"}`] + s[`chatd_dropped_total{reason="write_timeout"}`]
}
