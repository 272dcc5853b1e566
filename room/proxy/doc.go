// Package proxy finds out who a proxy speaks for.
//
// It is pure: bytes in, addresses out; no I/O, no clock.
//
//	socket's peer ── trusted? ──▶ PROXY header ── trusted? ──▶ Forwarded, X-Forwarded-For
//	                    │ no            │ no                        │
//	                    ▼               ▼                           ▼
//	                it is the       it is the            the nearest that is not
//	                client          client               trusted is the client
//
// Whatever a proxy lets through may be the client's invention. So each step is
// believed only if the one who says it is trusted, and where what is said makes
// no sense, the client is whoever said so.
package proxy
