package main

import (
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"chatd/cmd/chatd/logging"
	"chatd/room"
)

// everyFlag gives each flag a value that is neither its default nor another's.
var everyFlag = []string{
	"-addr", "127.0.0.1:1", "-assets", "here", "-queue", "2", "-workers", "1003", "-io-uring", "off", "-admin", "127.0.0.1:4",
	"-compress=false", "-max-conns", "5", "-max-conns-per-ip", "6", "-max-handshakes", "7", "-max-header", "1008", "-max-message", "9",
	"-max-fragments", "10", "-rate-messages", "11", "-rate-bytes", "12", "-rate-controls", "13", "-rate-close",
	"-handshake-timeout", "14s", "-ping-interval", "15s", "-idle-timeout", "16s", "-write-timeout", "17s",
	"-drain-timeout", "18s", "-drain-spread", "19s", "-allow-origin", "a", "-allow-origin", "b", "-log-level", "debug", "-log-format", "json", "-version",
}

func TestEveryFlagReachesItsOption(t *testing.T) {
	compare(t, parse(t, everyFlag...), options{
		addr:             "127.0.0.1:1",
		assets:           "here",
		queue:            2,
		workers:          1003,
		workersGiven:     true,
		ioUring:          false,
		admin:            "127.0.0.1:4",
		compress:         false,
		maxConns:         5,
		maxConnsPerIP:    6,
		maxHandshakes:    7,
		maxHeader:        1008,
		maxMessage:       9,
		maxFragments:     10,
		rateMessages:     11,
		rateBytes:        12,
		rateControls:     13,
		rateClose:        true,
		handshakeTimeout: 14 * time.Second,
		pingInterval:     15 * time.Second,
		idleTimeout:      16 * time.Second,
		writeTimeout:     17 * time.Second,
		drainTimeout:     18 * time.Second,
		drainSpread:      19 * time.Second,
		allowOrigin:      []string{"a", "b"},
		logLevel:         slog.LevelDebug,
		logFormat:        logging.JSON,
		version:          true,
	}, parse(t))
}

func TestEveryFlagOfTheRoomReachesIt(t *testing.T) {
	compare(t, parse(t, everyFlag...).room(), room.Config{
		Queue:             2,
		MaxMessage:        9,
		Compress:          false,
		MaxConnsPerSource: 6,
		MaxHandshakes:     7,
		MaxHead:           1008,
		MaxFragments:      10,
		RateMessages:      11,
		RateBytes:         12,
		RateControls:      13,
		RateClose:         true,
		HandshakeTimeout:  14 * time.Second,
		PingInterval:      15 * time.Second,
		IdleTimeout:       16 * time.Second,
		WriteTimeout:      17 * time.Second,
		DrainTimeout:      18 * time.Second,
		DrainSpread:       19 * time.Second,
		AllowOrigin:       []string{"a", "b"},
	}, parse(t).room(), "MaxConns", "Page", "Log", "PassTime", "Lag") // those are serve's
}

func parse(t *testing.T, args ...string) options {
	t.Helper()
	o, err := parseOptions(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// compare compares two structs field by field, but for those of others. A field
// that is as it is by default is one that no flag reaches.
func compare[T any](t *testing.T, got, want, byDefault T, others ...string) {
	t.Helper()
	g, w, d := reflect.ValueOf(got), reflect.ValueOf(want), reflect.ValueOf(byDefault)
	for i := range g.NumField() {
		name := g.Type().Field(i).Name
		if slices.Contains(others, name) {
			continue
		}
		switch is := fmt.Sprint(g.Field(i)); is {
		case fmt.Sprint(d.Field(i)):
			t.Errorf("%s stays %s: no flag reaches it", name, is)
		case fmt.Sprint(w.Field(i)):
		default:
			t.Errorf("%s is %s, want %v", name, is, w.Field(i))
		}
	}
}
