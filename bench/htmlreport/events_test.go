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
		"server-sent events: idle: 19,000 clients; fanout: 1,000 clients, 50.0 messages/s",
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
