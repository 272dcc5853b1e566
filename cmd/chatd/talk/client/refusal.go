package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// Refusal is why there is no link.
type Refusal struct {
	Err   error
	Final bool          // another one would end the same way
	Token bool          // … with the same token
	After time.Duration // the server wants no other one before
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// notAgreed is the end of a link that never was one, with the server's answer, if
// it gave any.
func notAgreed(err error, answer *http.Response) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", dialTimeout)
	}
	if answer == nil {
		return rootCause(err)
	}
	status := answer.StatusCode
	if status == http.StatusSwitchingProtocols {
		return &Refusal{Err: rootCause(err), Final: true}
	}
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	if said := explanation(answer); said != "" {
		text += ": " + said
	}
	after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	again := status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
	return &Refusal{Err: errors.New("the server answers " + text), Final: !again, Token: status == http.StatusUnauthorized, After: time.Duration(min(max(after, 0), 3600)) * time.Second}
}

// explanation is what an answer says in its body: a problem (RFC 9457), or one
// line of plain text.
func explanation(answer *http.Response) string {
	if answer.Body == nil {
		return ""
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 1024))
	var problem struct{ Title, Detail string }
	if json.Unmarshal(body, &problem) == nil {
		return cmp.Or(problem.Detail, problem.Title)
	}
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return line
}

// ended is the end of a link that was one: reading it gave err, because of cause.
func ended(err, cause error) error {
	var closed websocket.CloseError
	switch {
	case errors.As(err, &closed):
		return closedBy(closed)
	case errors.Is(cause, io.EOF):
		return errors.New("the connection was cut off")
	case errors.Is(cause, net.ErrClosed): // a ping that could not be written
		return errSilent
	}
	return rootCause(cause)
}

// closedBy is the end that the server gave a link.
func closedBy(closed websocket.CloseError) error {
	text := fmt.Sprintf("the server closed the connection: %d", int(closed.Code))
	if closed.Reason != "" {
		text += " " + closed.Reason
	}
	refusal := &Refusal{Err: errors.New(text)}
	switch closed.Code {
	case websocket.StatusUnsupportedData, websocket.StatusPolicyViolation, websocket.StatusMessageTooBig,
		websocket.StatusMandatoryExtension:
		refusal.Final = true
	case statusUnauthorized:
		refusal.Final, refusal.Token = true, true
	}
	return refusal
}

// statusUnauthorized is the code for a token that is bad or expired.
const statusUnauthorized websocket.StatusCode = 4401

// rootCause is err without what those said who passed it on.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
