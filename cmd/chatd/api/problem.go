package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"chatd/room"
)

// Problem is why a request is not answered with what it asks for (RFC 9457).
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`

	again time.Duration // after which it may be tried again; 0: not
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

func problem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// soon is how long one waits who is told to come again, if it is not known better.
const soon = time.Second

func (p *Problem) later(after time.Duration) *Problem {
	p.again = after
	return p
}

var errNoResource = problem(http.StatusNotFound, "there is nothing under this path")

// problemOf is what err is for the one who asked.
func problemOf(err error) *Problem {
	var p *Problem
	var tooMuch *room.RateError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &tooMuch):
		return problem(http.StatusTooManyRequests, "this token publishes more than -rate-messages or -rate-bytes allow").later(tooMuch.Wait)
	case errors.Is(err, room.ErrNoRoom):
		return problem(http.StatusNotFound, err.Error())
	case errors.Is(err, room.ErrBehind):
		return problem(http.StatusTooManyRequests, err.Error()).later(soon)
	case errors.Is(err, room.ErrTooManyRooms):
		return problem(http.StatusServiceUnavailable, err.Error()).later(5 * soon)
	case errors.Is(err, room.ErrUnavailable):
		return problem(http.StatusServiceUnavailable, err.Error()).later(soon)
	case errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusServiceUnavailable, "the server is too busy to answer in time").later(soon)
	}
	return problem(http.StatusInternalServerError, err.Error())
}

// answerProblem answers with what err is.
func answerProblem(w http.ResponseWriter, err error) {
	p := problemOf(err)
	if p.again > 0 {
		seconds := (p.again + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	answerJSON(w, "application/problem+json", p.Status, p)
}

// answerJSON answers with v, which can be encoded.
func answerJSON(w http.ResponseWriter, contentType string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // not reached
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever hangs up gets nothing
}
