package streams

import (
	"context"
	"fmt"
	"io"
	"time"

	"chatd/room/order/jetstream"
)

// Report prints how the cluster is, and returns how much is wrong with it.
func Report(out io.Writer, f *Flags) (wrong int, err error) {
	if err := f.Check(nil); err != nil {
		return 0, err
	}
	c := f.Config(100, 0, 0)
	nc, err := jetstream.Dial(c)
	if err != nil {
		return 1, err
	}
	defer nc.Close()
	ctx := context.Background() // each request has its own end
	h, err := c.Examine(ctx, nc)
	if err != nil {
		return 1, err
	}
	fmt.Fprintf(out, "NATS %s at %s", h.Version, h.URL)
	if h.Cluster != "" {
		fmt.Fprintf(out, ", of the cluster %s", h.Cluster)
	}
	fmt.Fprintf(out, "; servers that are known: %d\n", h.Servers)
	fmt.Fprintf(out, "  a request takes %s", h.RoundTrip.Round(time.Microsecond))
	if h.Publish > 0 {
		fmt.Fprintf(out, ", a message that is kept %s", h.Publish.Round(time.Microsecond))
	}
	fmt.Fprintln(out)
	if h.Replicas > 0 {
		fmt.Fprintf(out, "  replicas that are possible: %d\n", h.Replicas)
	}
	fmt.Fprintf(out, "  messages of at most %d bytes\n", h.MaxPayload)
	switch {
	case h.StoreLimit > 0:
		fmt.Fprintf(out, "  disk: %d of %d bytes are used\n", h.Stored, h.StoreLimit)
	case h.Account:
		fmt.Fprintf(out, "  disk: %d bytes are used, without a limit for this account\n", h.Stored)
	}
	for _, line := range h.Wrong {
		fmt.Fprintln(out, "WRONG:", line)
	}
	states, err := c.Show(ctx, nc)
	switch {
	case err != nil && len(h.Wrong) > 0: // by what was said already
		return len(h.Wrong), nil
	case err != nil:
		return 1, err
	}
	missing := 0
	for i := range states {
		states[i].Differs = nil // it was not said how much is to be kept
		if states[i].Missing {
			missing++
		}
	}
	if missing == len(states) {
		fmt.Fprintln(out, "There are no streams yet: chatd makes them when it starts, or chatd nats init.")
		return len(h.Wrong), nil
	}
	return len(h.Wrong) + printStates(out, states), nil
}
