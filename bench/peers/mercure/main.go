// Command mercure is dunglas/mercure's hub with its local transport, which keeps
// nothing: who listens needs no token, who publishes has one of a key that all may
// know.
package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/dunglas/mercure"

	"chatd/bench/peers/listen"
)

// key is what the harness signs its token with.
const key = "the key of a hub that is only compared"

func main() {
	ln := listen.On()
	hub, err := mercure.NewHub(context.Background(),
		mercure.WithAnonymous(),
		mercure.WithPublisherJWT([]byte(key), "HS256"),
		mercure.WithLogger(slog.New(slog.DiscardHandler)), // nothing is logged
	)
	if err != nil {
		listen.Fail(err)
	}
	listen.Fail(http.Serve(ln, hub))
}
