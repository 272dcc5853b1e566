package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"chatd/room/identity"
)

// minSecret is the length in bytes below which a secret is easily guessed.
const minSecret = 16

// checkSecret refuses a secret that proves nothing. It does not repeat it: the
// error goes to the log.
func (o options) checkSecret() error {
	switch {
	case o.given["secret"] && o.given["secret-file"]:
		return errors.New("-secret and -secret-file are both given: use one of them")
	case o.given["secret"] && len(o.secret) < minSecret:
		return fmt.Errorf("-secret has %d bytes: must be at least %d, as openssl rand -hex 32 makes them", len(o.secret), minSecret)
	case o.given["secret-file"] && o.secretFile == "":
		return errors.New("-secret-file is empty: name a file")
	}
	return nil
}

// secrets are those of the options, or one that lasts as long as the process.
func (o options) secrets() (*identity.Secrets, error) {
	switch {
	case o.secret != "":
		return identity.New(o.secret), nil
	case o.secretFile == "":
		return identity.New(), nil
	}
	b, err := os.ReadFile(o.secretFile)
	if err != nil {
		return nil, fmt.Errorf("-secret-file: %w", err)
	}
	var secrets []string
	number := 0
	for line := range strings.Lines(string(b)) {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case len(line) < minSecret:
			return nil, fmt.Errorf("-secret-file: line %d of %s has %d bytes: must be at least %d", number, o.secretFile, len(line), minSecret)
		}
		secrets = append(secrets, line)
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("-secret-file: %s has no secret: write one a line, the first signs, all verify", o.secretFile)
	}
	return identity.New(secrets...), nil
}
