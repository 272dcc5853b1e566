package certs

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/idna"

	"chatd/cmd/chatd/listen"
)

// Flags say which certificates there are, and where TLS is spoken.
type Flags struct {
	Certs, Keys []string // files, in pairs
	Domains     []string // as DNS has them
	Cache       string
	Directory   string

	Addr     listen.Address // speaks TLS, so that the server's own is plain; nowhere: that one does
	Redirect listen.Address // plain, and says where TLS is
	ClientCA string
}

// Add adds the flags to fs; those that may be repeated by list.
func (f *Flags) Add(fs *flag.FlagSet, list func(name, usage string, add func(string) error)) {
	f.AddCertificates(fs, list)
	fs.StringVar(&f.Directory, "acme-directory", autocert.DefaultACMEDirectory, "`URL` of the authority's directory")
	fs.TextVar(&f.Addr, "tls-addr", listen.Address{}, "`host:port` or unix:/path that speaks TLS, so that -addr is plain; without it, with a certificate, -addr speaks TLS")
	fs.TextVar(&f.Redirect, "tls-redirect", listen.Address{}, "`host:port` that answers plain HTTP with where the same is by https (308); the page then has browsers never ask without it again (HSTS)")
	fs.StringVar(&f.ClientCA, "tls-client-ca", "", "`file` of certificates in PEM: only clients may connect whose own certificate one of them has signed")
}

// AddCertificates adds those that say which certificates there are.
func (f *Flags) AddCertificates(fs *flag.FlagSet, list func(name, usage string, add func(string) error)) {
	list("tls-cert", "`file` of a certificate in PEM, with those that certify it behind it: TLS is spoken, 1.3 alone; repeatable, for several names: who asks for none of them is shown the first; read again within seconds when it changes, and at SIGHUP", file(&f.Certs))
	list("tls-key", "`file` of the key of -tls-cert, in PEM; given as often, and in the same order", file(&f.Keys))
	list("acme-domain", "a `name` for which an authority gives the certificate by ACME, once it is asked and whenever it is about to expire: it connects to port 443 of that name (TLS-ALPN-01), and you agree to its terms; repeatable", func(v string) error {
		domain, err := parseDomain(v)
		if err == nil && slices.Contains(f.Domains, domain) {
			err = fmt.Errorf("names %s twice", domain)
		}
		f.Domains = append(f.Domains, domain)
		return err
	})
	fs.StringVar(&f.Cache, "acme-cache", "", "`directory` for what the authority gives, keys too; it is made if it is not there; nodes may share one")
}

func file(to *[]string) func(string) error {
	return func(v string) error {
		if v == "" {
			return errors.New("is empty: name a file")
		}
		*to = append(*to, v)
		return nil
	}
}

// parseDomain reads a name for which an authority can give a certificate.
func parseDomain(s string) (string, error) {
	domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(strings.TrimSpace(s), "."))
	_, noIP := netip.ParseAddr(s)
	switch {
	case strings.HasPrefix(s, "*."):
		return "", errors.New("is a pattern, which an authority gives by DNS alone: name each domain, or use -tls-cert")
	case err != nil || noIP == nil || !strings.Contains(domain, "."):
		return "", errors.New("must be a public name of this server, as chat.example.org")
	}
	return domain, nil
}

// On reports whether there is any certificate, so that TLS is spoken.
func (f *Flags) On() bool { return len(f.Certs)+len(f.Keys)+len(f.Domains) > 0 }

// Check refuses values that can't work. Given are the names of the flags that were set.
func (f *Flags) Check(given map[string]bool) error {
	if !f.On() {
		for _, name := range []string{"tls-addr", "tls-redirect", "tls-client-ca"} {
			if given[name] {
				return fmt.Errorf("-%s is without effect: there is no certificate, of -tls-cert and -tls-key, or by -acme-domain", name)
			}
		}
	}
	if len(f.Domains) == 0 {
		for _, name := range []string{"acme-cache", "acme-directory"} {
			if given[name] {
				return fmt.Errorf("-%s is without effect: -acme-domain is not given", name)
			}
		}
	}
	switch {
	case len(f.Keys) == 0 && len(f.Certs) > 0:
		return errors.New("-tls-cert has no -tls-key: name the file of its key")
	case len(f.Certs) == 0 && len(f.Keys) > 0:
		return errors.New("-tls-key has no -tls-cert: name the file of its certificate")
	case len(f.Certs) != len(f.Keys):
		return fmt.Errorf("-tls-cert is given %d times, and -tls-key %d: give both for each certificate, in the same order", len(f.Certs), len(f.Keys))
	case len(f.Certs) > 0 && len(f.Domains) > 0:
		return errors.New("-tls-cert and -acme-domain are both given: certificates come from files, or from an authority")
	case len(f.Domains) > 0 && f.Cache == "":
		return errors.New("-acme-domain needs a directory for what the authority gives, or it is asked at each start, and soon refuses: -acme-cache")
	case given["tls-addr"] && f.Addr == (listen.Address{}):
		return errors.New("-tls-addr is empty: write host:port, as :8443, or leave it out")
	case given["tls-redirect"] && f.Redirect == (listen.Address{}):
		return errors.New("-tls-redirect is empty: write host:port, as :80, or leave it out")
	case f.Redirect.Path != "":
		return fmt.Errorf("-tls-redirect is %s: must be host:port, where browsers come", f.Redirect)
	case given["tls-client-ca"] && f.ClientCA == "":
		return errors.New("-tls-client-ca is empty: name a file")
	}
	if len(f.Domains) > 0 && given["acme-directory"] {
		if u, err := url.Parse(f.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
			return fmt.Errorf("-acme-directory is %q: must be a URL, as %s", f.Directory, autocert.DefaultACMEDirectory)
		}
	}
	return nil
}
