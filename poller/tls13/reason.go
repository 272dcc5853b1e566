package tls13

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
)

// Reason is why a handshake failed: for a metric.
type Reason uint8

// The reasons.
const (
	None           Reason = iota
	TimedOut              // somebody canceled it for its time
	Canceled              // … or for something else
	Gone                  // the client has closed the connection, or it broke
	NotTLS                // what came is no TLS
	OldVersion            // the client does not speak TLS 1.3
	NothingCommon         // it offers nothing that there is here: no suite, group, signature
	NoCommonALPN          // … no protocol of the application
	NoCertificate         // there is none for it
	BadCertificate        // its own is missing, or not good
	Declined              // it has sent an alert: it does not trust us, mostly
	Malformed             // it broke the protocol
	Twice                 // another has the same random
	Internal              // something is wrong here
	Panicked
	reasons
)

var reasonNames = [reasons]string{
	"", "timeout", "canceled", "gone", "not_tls", "protocol_version", "nothing_in_common", "no_application_protocol",
	"no_certificate", "client_certificate", "declined", "malformed", "same_random", "internal", "panic",
}

// String is the reason as a metric calls it.
func (r Reason) String() string { return reasonNames[r] }

// Reasons are all there are.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons-1)
	for r := None + 1; r < reasons; r++ {
		all = append(all, r)
	}
	return all
}

// reason is that of crypto/tls's error.
func (w *wire) reason(err error) Reason {
	var op *net.OpError
	var header tls.RecordHeaderError
	var client *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errCanceled):
		return w.canceled
	case errors.Is(err, errTwice):
		return Twice
	case w.broken != nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Gone
	case w.lacking:
		return NoCertificate
	case errors.As(err, &client):
		return BadCertificate
	case errors.As(err, &op) && op.Op == "remote error":
		return Declined
	case errors.As(err, &header) && header.Conn != nil:
		return NotTLS
	}
	switch w.said {
	case ProtocolVersion:
		return OldVersion
	case HandshakeFailure:
		return NothingCommon
	case NoProtocol:
		return NoCommonALPN
	case UnrecognizedName:
		return NoCertificate
	case InternalError:
		return Internal
	}
	if w.secrets.server.size > 0 && err.Error() == "tls: client didn't provide a certificate" {
		return BadCertificate
	}
	return Malformed
}
