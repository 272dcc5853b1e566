package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tmaxmax/go-sse"
)

// largestEvent bounds what is read of one event, in bytes.
const largestEvent = 8 << 20

// Listen hears a room's server-sent events, from config.URL, until ctx is done, and
// then returns nil. It comes back by itself when it is cut off, behind the last event
// that it heard. Otherwise it returns why there is nothing to be heard: the first
// connection failed, the server does not grant one, or Heard returned an error.
//
// For want of a welcome in them, it makes one of each answer of the server's.
func Listen(ctx context.Context, config Config) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	u, query := *config.URL, config.URL.Query()
	if config.Since != "" {
		query.Set("since", config.Since)
	}
	u.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	hear := func(e Event) {
		if ctx.Err() != nil {
			return // the rest of what came at once
		}
		if err := config.Heard(e); err != nil {
			stop(err)
		}
	}
	answered, lostAt := false, time.Time{}
	events := sse.Client{
		HTTPClient: &http.Client{Transport: transport},
		Backoff:    sse.Backoff{MaxInterval: 15 * time.Second},
		ResponseValidator: func(r *http.Response) error {
			if err := granted(r); err != nil {
				return err
			}
			welcome := Event{Type: Welcome}
			if answered {
				welcome.Away = time.Since(lostAt)
			}
			answered = true
			hear(welcome)
			return nil
		},
		OnRetry: func(err error, wait time.Duration) {
			if !answered {
				stop(err)
				return
			}
			lostAt = time.Now()
			hear(Event{Type: Offline, Err: err, Retry: wait})
		},
	}
	stream := events.NewConnection(request)
	stream.Buffer(nil, largestEvent)
	stream.SubscribeToAll(func(m sse.Event) {
		if m.Data == "" {
			return // when to come back
		}
		e, err := decode([]byte(m.Data))
		if err != nil {
			stop(err)
			return
		}
		hear(e)
	})
	err = stream.Connect()
	if ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// granted is what is wrong with the answer to a request for events.
func granted(r *http.Response) error {
	if r.StatusCode == http.StatusOK {
		return sse.DefaultValidator(r)
	}
	const enough = 4 << 10
	b, _ := io.ReadAll(io.LimitReader(r.Body, enough)) // what there is
	var problem struct{ Detail string }
	if json.Unmarshal(b, &problem) != nil || problem.Detail == "" {
		return fmt.Errorf("the server answers %s", r.Status)
	}
	return fmt.Errorf("the server answers %s: %s", r.Status, problem.Detail)
}
