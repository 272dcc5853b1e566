package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"chatd/cmd/chatd/api"
	"chatd/room/token"
)

// tokenKey is the key of the clients' tokens; nil: they need none.
func (o options) tokenKey() (*token.File, error) {
	switch {
	case !o.given["jwt-key-file"]:
		return nil, nil
	case o.jwtKeyFile == "":
		return nil, errors.New("-jwt-key-file is empty: name a file")
	}
	key, err := token.Open(o.jwtKeyFile)
	if err != nil {
		return nil, fmt.Errorf("-jwt-key-file: %w", err)
	}
	return key, nil
}

// reloadInterval is how often files are looked at that may change. A change counts
// once it was seen twice.
const reloadInterval = time.Second

// watchTokens has changes count of the files of the clients' key and the programs'
// tokens, those that there are, until stop is called.
func watchTokens(key *token.File, tokens *api.Tokens, log *slog.Logger) (stop func()) {
	if key != nil {
		log.Info("rooms are for those who have a token", "algorithm", key.Algorithm())
	}
	if key == nil && tokens == nil {
		return func() {}
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(reloadInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if key != nil {
					reloadKey(key, log)
				}
				if tokens != nil {
					reloadAPITokens(tokens, log)
				}
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
	}
}

func reloadKey(key *token.File, log *slog.Logger) {
	switch changed, err := key.Reload(); {
	case err != nil:
		log.Error("the new token key is of no use, the old one stays", "err", err)
	case changed:
		log.Info("tokens are verified by a new key", "algorithm", key.Algorithm())
	}
}

func reloadAPITokens(tokens *api.Tokens, log *slog.Logger) {
	switch changed, err := tokens.Reload(); {
	case err != nil:
		log.Error("the new API tokens are of no use, the old ones stay", "err", err)
	case changed:
		log.Info("there are new API tokens", "tokens", tokens.Len())
	}
}
