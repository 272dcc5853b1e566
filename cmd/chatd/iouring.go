package main

import (
	"errors"
	"log/slog"

	"chatd/poller"
)

// ioUring is whether to write through io_uring where that is possible. Its
// text is auto or off.
type ioUring bool

// MarshalText implements encoding.TextMarshaler.
func (u ioUring) MarshalText() ([]byte, error) {
	if u {
		return []byte("auto"), nil
	}
	return []byte("off"), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *ioUring) UnmarshalText(text []byte) error {
	switch string(text) {
	case "auto":
		*u = true
	case "off":
		*u = false
	default:
		return errors.New("must be auto or off")
	}
	return nil
}

// sender decides, by trying it, whether io_uring is used, and says so.
func (u ioUring) sender(log *slog.Logger) func() poller.Sender {
	if !u {
		log.Info("io_uring is off")
		return poller.NewPlain
	}
	trial, err := poller.NewUring(log)
	if err != nil {
		log.Info("io_uring is not used, each write is a system call", "why", err)
		return poller.NewPlain
	}
	trial.Close()
	log.Info("io_uring is used")
	return func() poller.Sender {
		ring, err := poller.NewUring(log)
		if err != nil {
			log.Warn("a worker has no io_uring, each of its writes is a system call", "why", err)
			return poller.Plain{}
		}
		return ring
	}
}
