package main

import (
	"fmt"
	"log/slog"

	"chatd/cmd/chatd/api"
)

// api is what programs may ask of the server.
func (o options) api(log *slog.Logger) (*api.API, error) {
	if o.apiTokenFile == "" {
		return api.New(nil, o.maxMessage), nil
	}
	tokens, err := api.OpenTokens(o.apiTokenFile, log)
	if err != nil {
		return nil, fmt.Errorf("-api-token-file: %w", err)
	}
	return api.New(tokens, o.maxMessage), nil
}
