package main

import (
	"fmt"

	"chatd/cmd/chatd/api"
)

// apiTokens are those of the programs that may ask the server; nil: none may.
func (o options) apiTokens() (*api.Tokens, error) {
	if o.apiTokenFile == "" {
		return nil, nil
	}
	tokens, err := api.OpenTokens(o.apiTokenFile)
	if err != nil {
		return nil, fmt.Errorf("-api-token-file: %w", err)
	}
	return tokens, nil
}
