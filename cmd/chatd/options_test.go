package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"chatd/cmd/chatd/certs"
	"chatd/cmd/chatd/listen"
	"chatd/cmd/chatd/logging"
	"chatd/cmd/chatd/streams"
	"chatd/room"
	"chatd/room/proxy"
)

// everyFlag gives each flag a value that is neither its default nor another's.
var everyFlag = []string{
	"-addr", "unix:x.sock", "-unix-mode", "0600", "-admin-host", "C", "-assets", "here", "-queue", "2", "-flush-interval", "3ms", "-workers", "1003", "-io-uring", "off", "-admin", "127.0.0.1:4",
	"-compress=false", "-max-conns", "5", "-max-conns-per-ip", "6", "-max-rooms", "1006", "-rooms", "a,b", "-rooms", "c.d", "-max-handshakes", "7", "-max-header", "1008", "-max-message", "9",
	"-max-fragments", "10", "-rate-messages", "11", "-rate-bytes", "12", "-rate-controls", "13", "-rate-close",
	"-history", "1014", "-history-age", "1015s", "-history-memory", "1016000",
	"-handshake-timeout", "14s", "-ping-interval", "15s", "-idle-timeout", "16s", "-write-timeout", "17s",
	"-drain-timeout", "18s", "-drain-spread", "19s", "-trusted-proxies", "10.0.0.0/8, unix", "-proxy-protocol", "-allow-origin", "HTTPS://a:443", "-allow-origin", "b", "-subprotocol", "c", "-subprotocol", "d", "-secret", aSecret, "-jwt-key-file", "key", "-api-token-file", "tokens", "-tls-cert", "cert", "-tls-key", "key of it", "-tls-addr", ":21", "-tls-redirect", ":22", "-tls-client-ca", "clients", "-ban", "20s", "-data", "here too", "-sync", "always", "-log-level", "debug", "-log-format", "json", "-version", "-verify-state",
}

func TestEveryFlagReachesItsOption(t *testing.T) {
	compare(t, parse(t, everyFlag...), options{
		addr:             listen.Address{Path: "x.sock"},
		unixMode:         0o600,
		adminHosts:       []string{"c"},
		assets:           "here",
		queue:            2,
		flushInterval:    3 * time.Millisecond,
		workers:          1003,
		ioUring:          false,
		admin:            listen.Address{Host: "127.0.0.1", Port: "4"},
		compress:         false,
		maxConns:         5,
		maxConnsPerIP:    6,
		maxRooms:         1006,
		rooms:            []string{"a", "b", "c.d"},
		maxHandshakes:    7,
		maxHeader:        1008,
		maxMessage:       9,
		maxFragments:     10,
		rateMessages:     11,
		rateBytes:        12,
		rateControls:     13,
		rateClose:        true,
		history:          1014,
		historyAge:       1015 * time.Second,
		historyMemory:    1016000,
		handshakeTimeout: 14 * time.Second,
		pingInterval:     15 * time.Second,
		idleTimeout:      16 * time.Second,
		writeTimeout:     17 * time.Second,
		drainTimeout:     18 * time.Second,
		drainSpread:      19 * time.Second,
		trustedProxies:   trusted(t, "10.0.0.0/8,unix"),
		proxyProtocol:    true,
		allowOrigin:      []string{"https://a", "b"},
		subprotocols:     []string{"c", "d"},
		secret:           aSecret,
		jwtKeyFile:       "key",
		data:             "here too",
		sync:             0,
		apiTokenFile:     "tokens",
		tls: certs.Flags{
			Certs: []string{"cert"}, Keys: []string{"key of it"}, Directory: autocert.DefaultACMEDirectory,
			Addr: listen.Address{Port: "21"}, Redirect: listen.Address{Port: "22"}, ClientCA: "clients",
		},
		ban:       20 * time.Second,
		logLevel:  slog.LevelDebug,
		logFormat: logging.JSON,
		version:   true,

		verifyState: true,
	}, parse(t), "given", "secretFile", "nats") // which go with no secret, and no data
}

func TestFlagsOfAnAuthorityReachTheirOptions(t *testing.T) {
	t.Setenv("CHATD_ACME_DOMAIN", "a.example, b.example")
	got := parse(t, "-acme-cache", "here", "-acme-directory", "https://a/dir").tls
	if want := (certs.Flags{Domains: []string{"a.example", "b.example"}, Cache: "here", Directory: "https://a/dir"}); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestFlagsOfNATSReachTheirOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := parse(t, "-nats", "a,tls://user:word@b:1", "-nats-creds", file, "-nats-partitions", "8", "-nats-replicas", "1")
	want := streams.Flags{URLs: []string{"nats://a", "tls://user:word@b:1"}, Creds: file, Partitions: 8, Replicas: 1}
	if !reflect.DeepEqual(o.nats, want) {
		t.Errorf("%+v, want %+v", o.nats, want)
	}
	t.Setenv("CHATD_NATS", "a, b")
	if o := parse(t); !slices.Equal(o.nats.URLs, streams.URLs{"nats://a", "nats://b"}) {
		t.Errorf("%q", o.nats.URLs)
	}
}

func TestVariableOfARepeatableFlagIsAListWithSpaces(t *testing.T) {
	t.Setenv("CHATD_ALLOW_ORIGIN", "https://a.example, b.example ,http://c.example:8080")
	t.Setenv("CHATD_ADMIN_HOST", "A.example., ::1,[2001:DB8::1] ,10.0.0.1")
	o := parse(t, "-admin", ":1")
	if want := []string{"https://a.example", "b.example", "http://c.example:8080"}; !slices.Equal(o.allowOrigin, want) {
		t.Errorf("%q, want %q", o.allowOrigin, want)
	}
	if want := []string{"a.example.", "::1", "2001:db8::1", "10.0.0.1"}; !slices.Equal(o.adminHosts, want) {
		t.Errorf("%q, want %q", o.adminHosts, want)
	}
}

func TestVariablesOfOthersAreLeftAlone(t *testing.T) {
	for _, name := range []string{"CHATD_TOKEN", "CHATD_PORT", "CHATD_SERVICE_HOST", "CHATD_PORT_8080_TCP_ADDR", "CHATD_ADMIN_PORT", "CHATD_IMAGE_TAG", "CHATD_DIR", "MAX_CONN"} {
		t.Setenv(name, "tcp://10.0.0.1:8080")
	}
	parse(t)
}

func TestVariableThatIsNearlyAFlagsIsRefused(t *testing.T) {
	for _, name := range []string{"CHATD_ADR", "CHATD_WORKER", "CHATD_MAXCONNS", "CHATD_MAX_CON", "CHATD_ALLOW_ORIGINS", "CHATD_PING_INTERVALL", "CHATD-MAX-CONNS", "CHATD_max_conns", "chatd_queue"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "1")
			if _, err := parseOptions(nil, io.Discard); err == nil || !strings.Contains(err.Error(), name+" in the environment is no flag's") {
				t.Error(err)
			}
		})
	}
}

func TestEmptyVariableIsNone(t *testing.T) {
	t.Setenv("CHATD_ADDR", "")
	t.Setenv("CHATD_QUEUE", "")
	if o := parse(t); o.addr.String() != ":8080" || o.queue != 256 {
		t.Errorf("%s, %d", o.addr, o.queue)
	}
}

func TestEveryFlagOfTheRoomReachesIt(t *testing.T) {
	compare(t, parse(t, everyFlag...).room(), room.Config{
		Queue:             2,
		FlushInterval:     3 * time.Millisecond,
		MaxMessage:        9,
		Compress:          false,
		MaxConnsPerSource: 6,
		MaxRooms:          1006,
		Rooms:             []string{"a", "b", "c.d"},
		MaxHandshakes:     7,
		MaxHead:           1008,
		MaxFragments:      10,
		RateMessages:      11,
		RateBytes:         12,
		RateControls:      13,
		RateClose:         true,
		History:           1014,
		HistoryAge:        1015 * time.Second,
		HistoryMemory:     1016000,
		Ban:               20 * time.Second,
		HandshakeTimeout:  14 * time.Second,
		PingInterval:      15 * time.Second,
		IdleTimeout:       16 * time.Second,
		WriteTimeout:      17 * time.Second,
		DrainTimeout:      18 * time.Second,
		DrainSpread:       19 * time.Second,
		TrustedProxies:    trusted(t, "10.0.0.0/8,unix"),
		ProxyProtocol:     true,
		AllowOrigin:       []string{"https://a", "b"},
		Subprotocols:      []string{"c", "d"},
	}, parse(t).room(), "MaxConns", "TLS", "Page", "API", "Secrets", "Tokens", "Log", "Order", "OrderGrace", "Nodes", "PassTime", "PlaceTime", "Lag") // those are serve's
}

func TestSubprotocolsOfTheEnvironmentAreAList(t *testing.T) {
	t.Setenv("CHATD_SUBPROTOCOL", "chat, raw.v1 ,x")
	if got := parse(t).subprotocols; !slices.Equal(got, []string{"chat", "raw.v1", "x"}) {
		t.Errorf("%q", got)
	}
}

func trusted(t *testing.T, list string) (all proxy.Trusted) {
	t.Helper()
	if err := all.Set(list); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTrustedProxiesOfTheEnvironmentMayHaveSpaces(t *testing.T) {
	t.Setenv("CHATD_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32 ,unix")
	got := parse(t).trustedProxies
	if want := "unix,10.0.0.0/8,2001:db8::/32"; got.String() != want {
		t.Errorf("%s, want %s", &got, want)
	}
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
