package htmlreport

import (
	"strings"
	"testing"

	"chatd/bench/result"
)

func TestReadersOfEventsAreShownBesideRawMembers(t *testing.T) {
	c := &result.Comparison{Rounds: 1}
	for server, k := range map[string]float64{ours: 1, OursEvents: 1.05, "mercure": 40} {
		c.Servers = append(c.Servers, result.Server{Name: server})
		c.Runs = append(c.Runs,
			result.Run{Scenario: result.EventsIdle, Server: server, Params: result.Params{Clients: 19000}, Memory: &result.Memory{PerConn: 200 * k}},
			result.Run{Scenario: result.EventsFanout, Server: server, Params: result.Params{Clients: 1000, Rate: 50},
				ServerCPU: &result.CPU{User: k}, Delivery: &result.Latency{P99: 7 * k}, FrameBytes: 130},
		)
	}
	for _, what := range []string{"Memory per idle reader of events", "CPU per delivery to a reader of events"} {
		if o := verdict(t, c, what, OursEvents, ours); o.Measured != "1.05×" || o.Verdict != met {
			t.Errorf("%+v", o)
		}
	}
	text := Table(c)
	for _, want := range []string{
		"Server-sent events: idle: 19,000 clients; fanout: 1,000 clients, 50.0 messages/s",
		"mercure", "8,000", "280", "40.0×", "1.05×",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// Who has nothing else is in no other table.
	if strings.Contains(text, "CPU/DELIVERY") {
		t.Error(text)
	}
	html := pageOf(t, c)
	if !strings.Contains(html, `<table id="events">`) {
		t.Error(html)
	}
}

func TestServersThatSpeakTLSAreShownBesideOursWithout(t *testing.T) {
	c := &result.Comparison{Rounds: 1}
	for server, k := range map[string]float64{ours: 1, OursSecure: 1.1, "channels-wss": 30} {
		c.Servers = append(c.Servers, result.Server{Name: server})
		c.Runs = append(c.Runs,
			result.Run{Scenario: result.SecureIdle, Server: server, Params: result.Params{Clients: 19000}, Memory: &result.Memory{PerConn: 400 * k}},
			result.Run{Scenario: result.SecureFanout, Server: server, Params: result.Params{Clients: 1000, Rate: 50}, ServerCPU: &result.CPU{User: k}},
			result.Run{Scenario: result.SecureFlood, Server: server, Params: result.Params{Clients: 1000, Outstanding: 128}, Achieved: 2e6 / k},
			result.Run{Scenario: result.SecureStuck, Server: server, Params: result.Params{Clients: 1000, StuckClients: 1000}, Stuck: &result.Stuck{RSSWith: uint64(k * (20 << 20))}},
			result.Run{Scenario: result.SecureStorm, Server: server, Handshakes: &result.Rate{CPU: &result.CPU{User: 600 * k}}},
			result.Run{Scenario: result.SecureResumed, Server: server, Handshakes: &result.Rate{CPU: &result.CPU{User: 300 * k}}},
		)
	}
	for what, measured := range map[string]string{
		"Memory per idle connection over TLS": "440", "CPU per delivery over TLS": "1.10×",
		"Flood over TLS": "0.91×", "Memory with 1,000 stuck clients over TLS": "1.10×",
	} {
		base := ours
		if measured == "440" {
			base = ""
		}
		if o := verdict(t, c, what, OursSecure, base); o.Measured != measured || o.Verdict != met {
			t.Errorf("%s: %+v", what, o)
		}
	}
	text := Table(c)
	for _, want := range []string{
		"Over TLS: idle: 19,000 clients; fanout: 1,000 clients, 50.0 messages/s; flood: 1,000 clients, 128 outstanding; stuck: 1,000 clients, 1,000 more that never read",
		"channels-wss", "12,000", "660", "330", "600 MiB", "30.0×", "0.91×",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "CPU/DELIVERY") || strings.Contains(text, "Server-sent events") {
		t.Error(text)
	}
	if html := pageOf(t, c); !strings.Contains(html, `<table id="wss">`) || strings.Contains(html, `<table id="events">`) {
		t.Error(html)
	}
}
