package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"chatd/room"
	"chatd/room/chat"
	"chatd/room/position"
)

// The types of a body that can be published.
const (
	plainText = "text/plain"
	jsonText  = "application/json"
)

// receipt is where a message has its place.
type receipt struct {
	Room  string `json:"room"`
	Seq   uint64 `json:"seq"`
	At    int64  `json:"at"`
	Epoch string `json:"epoch"`
}

// publish publishes in a room. It is the answer that tells that the message has its
// place.
func (a *API) publish(w http.ResponseWriter, r *http.Request, caller *room.Publisher) error {
	kind, err := bodyType(r.Header)
	if err != nil {
		return err
	}
	limit := int64(a.maxMessage)
	if kind == jsonText {
		limit = int64(chat.MaxFrame(a.maxMessage))
	}
	if r.ContentLength > limit {
		return a.tooLarge()
	}
	size := min(limit, maxBodies)
	if r.ContentLength >= 0 {
		size = min(size, r.ContentLength)
	}
	ctx, cancel := a.wait(r)
	defer cancel()
	if err := a.bodies.Acquire(ctx, size); err != nil {
		return err
	}
	defer a.bodies.Release(size)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return a.unread(w, err)
	}
	m, err := a.publication(kind, body)
	if err != nil {
		return err
	}
	name := r.PathValue("room")
	ctx, cancel = a.wait(r) // for the body the server has waited
	defer cancel()
	placed, err := caller.Publish(ctx, name, m)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if placed.Again {
		status = http.StatusOK
	}
	answerJSON(w, jsonText, status, receipt{name, placed.Seq, placed.At, epoch(placed.Epoch)})
	return nil
}

func epoch(e uint32) string { return string(position.AppendEpoch(nil, e)) }

// bodyType is one of the types that can be published.
func bodyType(h http.Header) (string, error) {
	unsupported := problem(http.StatusUnsupportedMediaType, "the Content-Type must be text/plain or application/json, in UTF-8, and nothing else encoded")
	if len(h["Content-Type"]) != 1 || len(h["Content-Encoding"]) > 0 {
		return "", unsupported
	}
	kind, params, err := mime.ParseMediaType(h["Content-Type"][0])
	charset := strings.ToLower(params["charset"])
	if err != nil || kind != plainText && kind != jsonText || charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return "", unsupported
	}
	return kind, nil
}

func (a *API) tooLarge() error {
	return problem(http.StatusRequestEntityTooLarge, "a message has at most "+strconv.Itoa(a.maxMessage)+" bytes (-max-message)")
}

// unread is why a body could not be read. What is left of it nobody reads.
func (a *API) unread(w http.ResponseWriter, err error) error {
	w.Header().Set("Connection", "close")
	var tooMuch *http.MaxBytesError
	switch {
	case errors.As(err, &tooMuch):
		return a.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem(http.StatusRequestTimeout, "the request's body took too long (-handshake-timeout)")
	}
	return problem(http.StatusBadRequest, "the request's body is not as its head says")
}

// publication is what a body says.
func (a *API) publication(kind string, body []byte) (chat.Publication, error) {
	if kind == plainText {
		switch {
		case len(body) == 0:
			return chat.Publication{}, problem(http.StatusUnprocessableEntity, "the text is empty")
		case !utf8.Valid(body):
			return chat.Publication{}, problem(http.StatusUnprocessableEntity, "the text is not in UTF-8")
		}
		return chat.Publication{Text: body}, nil
	}
	if !utf8.Valid(body) {
		return chat.Publication{}, problem(http.StatusBadRequest, "the JSON is not in UTF-8")
	}
	m, valid, failed := chat.DecodePublication(body, a.maxMessage)
	switch {
	case failed == nil:
		return m, nil
	case !valid:
		return m, problem(http.StatusBadRequest, failed.Message)
	case failed.Code == chat.TooLong:
		return m, a.tooLarge()
	}
	return m, problem(http.StatusUnprocessableEntity, failed.Message)
}
