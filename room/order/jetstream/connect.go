package jetstream

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ParseURLs reads servers' addresses with commas between them, as nats://host:4222 or
// tls://host; the scheme may be left out.
func ParseURLs(s string) (urls []string, err error) {
	for one := range strings.SplitSeq(s, ",") {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		switch {
		case err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "":
			return nil, errors.New("must be one or more of nats://host:port or tls://host:port, with commas between them")
		case u.Scheme != "nats" && u.Scheme != "tls":
			return nil, fmt.Errorf("%s:// is not known here: must be nats:// or tls://", u.Scheme)
		}
		urls = append(urls, u.String())
	}
	return urls, nil
}

// urls are those of the configuration as they may be shown.
func (c Config) urls() string {
	shown := make([]string, 0, len(c.URLs))
	for _, s := range c.URLs {
		u, err := url.Parse(s)
		if err != nil {
			continue
		}
		shown = append(shown, u.Redacted())
	}
	return strings.Join(shown, ",")
}

// options are those of both connections.
func (c Config) options(name string) []nats.Option {
	options := []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond),
		nats.ReconnectBufSize(-1), // what can't be sent is known here, and sent again from here
		nats.PingInterval(5 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.Timeout(2 * time.Second),
		nats.IgnoreAuthErrorAbort(),
	}
	if c.Creds != "" {
		options = append(options, nats.UserCredentials(c.Creds))
	}
	if c.CA != "" {
		options = append(options, nats.RootCAs(c.CA))
	}
	return options
}

// Dial connects once, or says why it can't: for commands.
func Dial(c Config) (*nats.Conn, error) {
	nc, err := nats.Connect(strings.Join(c.URLs, ","), append(c.options("chatd"), nats.MaxReconnects(0), nats.ErrorHandler(ignore))...)
	if err != nil {
		return nil, fmt.Errorf("NATS at %s: %w", c.urls(), unconnected(err))
	}
	return nc, nil
}

// ignore is for a connection whose user finds out what is wrong.
func ignore(*nats.Conn, *nats.Subscription, error) {}

// unconnected says what to do about an error of connecting, if that is known.
func unconnected(err error) error {
	switch {
	case errors.Is(err, nats.ErrNoServers):
		return errors.New("nobody answers: is nats-server running, and is this its address?")
	case errors.Is(err, nats.ErrAuthorization):
		return errors.New("these credentials are refused: give others by -nats-creds, or in the URL, as nats://user:password@host")
	case errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Errorf("the credentials of -nats-creds are not valid any more: make new ones (%w)", err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return errors.New("it speaks no TLS: write nats:// in place of tls://, or give nats-server a certificate")
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("its certificate is signed by nobody who is known here: name the file of its authority's with -nats-ca (%w)", err)
	}
	return err
}

// connect makes both connections; they are made in the background if nobody is there.
func (s *Source) connect() (err error) {
	servers := strings.Join(s.config.URLs, ",")
	reported := "" // the last error; nats.go tells of one at a time
	options := append(s.config.options("chatd "+s.node),
		nats.RetryOnFailedConnect(true),
		nats.ConnectHandler(func(*nats.Conn) { s.connected() }),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			s.stats.reconnects.Add(1)
			s.config.Log.Info("NATS is connected again", "url", nc.ConnectedUrlRedacted())
			s.connected()
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if s.ctx.Err() == nil {
				s.config.Log.Warn("NATS is not connected any more", "err", err)
			}
			s.disconnected()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				s.stats.slow.Add(1) // what was dropped will be missing, and read
				return
			}
			if text := err.Error(); text != reported { // what is not allowed is tried each second
				reported = text
				s.config.Log.Warn("NATS reports an error", "err", err)
			}
		}),
		nats.ReconnectToServer(s.rebalance.choose),
	)
	if s.nc, err = nats.Connect(servers, options...); err != nil {
		return fmt.Errorf("-nats: %w", err)
	}
	readOptions := append(s.config.options("chatd "+s.node+" reads"),
		nats.RetryOnFailedConnect(true),
		nats.ConnectHandler(func(*nats.Conn) { s.look() }),
		nats.ReconnectHandler(func(*nats.Conn) { s.look() }),
		nats.ErrorHandler(ignore),
	)
	if s.reads, err = nats.Connect(servers, readOptions...); err != nil {
		s.nc.Close()
		return fmt.Errorf("-nats: %w", err)
	}
	if err := s.subscribe(); err != nil {
		s.nc.Close()
		s.reads.Close()
		return fmt.Errorf("-nats: %w", err)
	}
	if s.nc.IsConnected() {
		s.connected()
	}
	return nil
}

// subscribe has what is told to this node come in.
func (s *Source) subscribe() (err error) {
	if s.js, err = jetstream.New(s.reads); err != nil {
		return err
	}
	if s.replies, err = newReplies(s.reads); err != nil {
		return err
	}
	if err := s.publisher.subscribe(); err != nil {
		return err
	}
	return s.subscribeNodes()
}

// connected has everything looked at that may have happened meanwhile. Subscriptions
// come back by themselves.
func (s *Source) connected() {
	s.away.Store(0)
	s.publisher.mail.put(s.publisher.connected)
	s.removals.tellAll()
	s.peers.answers.put(func() { _ = s.nc.Publish(beginSubject, nil) }) // or counts come with the beats
	s.look()
}

// look has all streams looked at.
func (s *Source) look() {
	for _, p := range s.partitions {
		p.look(true)
	}
}

func (s *Source) disconnected() {
	s.away.CompareAndSwap(0, time.Now().UnixNano())
	s.publisher.mail.put(s.publisher.disconnected)
}

// flush waits until what NATS had for this node, and heard of it, has come.
func (s *Source) flush() error {
	ctx, cancel := context.WithTimeout(s.ctx, requestTime)
	defer cancel()
	return s.nc.FlushWithContext(ctx)
}

// lastError is why NATS is not connected.
func (s *Source) lastError() error {
	if err := s.nc.LastError(); err != nil {
		return unconnected(err)
	}
	return unconnected(nats.ErrNoServers)
}
