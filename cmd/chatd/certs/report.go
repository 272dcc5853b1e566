package certs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"
)

// Report prints the certificates that the flags name, and returns how many of them no
// client would take now.
func Report(out io.Writer, f *Flags, now time.Time) (wrong int, err error) {
	if err := f.Check(nil); err != nil {
		return 0, err
	}
	var places []*place
	for i := range f.Certs {
		p, err := openPair(f.Certs[i], f.Keys[i])
		if err != nil {
			return 0, fmt.Errorf("-tls-cert, -tls-key: %w", err)
		}
		places = append(places, p)
	}
	var lines []string
	for _, domain := range f.Domains {
		p := &place{name: domain}
		cert, err := cached(f.Cache, domain)
		switch {
		case err == nil:
			p.cert.Store(cert)
			places = append(places, p)
		case errors.Is(err, fs.ErrNotExist):
			wrong++
			lines = append(lines, fmt.Sprintf("WRONG: there is no certificate for %s yet: chatd asks for it once it runs", domain))
		default:
			return 0, fmt.Errorf("-acme-cache: %s: %w", domain, err)
		}
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CERTIFICATE\tFOR\tEXPIRES\tDAYS")
	for _, p := range places {
		leaf := p.cert.Load().Leaf
		left := leaf.NotAfter.Sub(now)
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", p.name, strings.Join(names(leaf), " "), leaf.NotAfter.UTC().Format(time.RFC3339), left/(24*time.Hour))
		if left <= 0 || leaf.NotBefore.After(now) {
			wrong++
			lines = append(lines, fmt.Sprintf("WRONG: %s: %s", p.name, fault(leaf, now)))
		} else if fault := fault(leaf, now); fault != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", p.name, fault))
		}
	}
	_ = t.Flush() // as with fmt.Fprintln: who reads no more has gone
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	return wrong, nil
}
