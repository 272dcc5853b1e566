package logging

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Format is how the lines of the log are written. Its text is text or json.
type Format int

// The formats.
const (
	Text Format = iota
	JSON
)

// MarshalText implements encoding.TextMarshaler.
func (f Format) MarshalText() ([]byte, error) {
	if f == JSON {
		return []byte("json"), nil
	}
	return []byte("text"), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Format) UnmarshalText(text []byte) error {
	switch string(text) {
	case "text":
		*f = Text
	case "json":
		*f = JSON
	default:
		return errors.New("must be text or json")
	}
	return nil
}

// Handler writes lines from level upwards to w.
func (f Format) Handler(w io.Writer, level slog.Level) slog.Handler {
	if f == JSON {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: readable})
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
}

// Failure writes to w why the program ends.
func (f Format) Failure(w io.Writer, err error) {
	if f == JSON {
		slog.New(f.Handler(w, slog.LevelError)).Error("chatd ends", "err", err)
		return
	}
	fmt.Fprintln(w, "chatd:", err)
}

// lostLines makes the line that tells of lost ones.
func (f Format) lostLines() func(lost uint64) []byte {
	var line bytes.Buffer
	log := slog.New(f.Handler(&line, slog.LevelWarn))
	return func(lost uint64) []byte {
		line.Reset()
		log.Warn("log lines lost", "count", lost)
		return line.Bytes()
	}
}

// readable gives a value in JSON the text that it has in the text format: 10s
// instead of 10000000000, and an address instead of its parts.
func readable(_ []string, a slog.Attr) slog.Attr {
	switch v := a.Value.Any().(type) {
	case encoding.TextMarshaler, bool, int64, uint64, float64, string:
	default:
		if a.Value.Kind() != slog.KindGroup {
			a.Value = slog.StringValue(fmt.Sprint(v))
		}
	}
	return a
}
