// Package streams is chatd's side of NATS JetStream for those who run it: the flags that
// say where it is, and the commands that make and show its streams.
//
//	flags.go     the flags, which the server and the commands share
//	command.go   chatd nats init|show
//	report.go    Report: what is wrong with a cluster, for chatd check -nats
package streams

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"chatd/room/order/jetstream"
)

// Flags say where NATS is, and which streams there are.
type Flags struct {
	URLs       URLs
	Creds      string
	CA         string
	Partitions int
	Replicas   int
}

// URLs are NATS servers'.
type URLs []string

// String implements flag.Value.
func (u *URLs) String() string { return "" }

// Set implements flag.Value.
func (u *URLs) Set(s string) error {
	urls, err := jetstream.ParseURLs(s)
	*u = append(*u, urls...)
	return err
}

// Add adds the flags to fs.
func (f *Flags) Add(fs *flag.FlagSet) {
	fs.Var(&f.URLs, "nats", "`URLs` of NATS servers with JetStream, as nats://host:4222 or tls://host, with commas between them: rooms then span all nodes that are told the same, with one order and one history; empty: this process alone has them")
	fs.StringVar(&f.Creds, "nats-creds", "", "`file` of credentials for NATS")
	fs.StringVar(&f.CA, "nats-ca", "", "`file` of certificates, in PEM, by which NATS servers are verified; empty: the system's")
	fs.IntVar(&f.Partitions, "nats-partitions", jetstream.DefaultPartitions, "streams that rooms are spread over; it is the same for all nodes, and can't be changed later")
	fs.IntVar(&f.Replicas, "nats-replicas", 0, "servers that have a copy of each stream that is made; 0: 3 in a cluster, else 1")
}

// maxReplicas is the most that JetStream knows.
const maxReplicas = 5

// Check refuses values that can't work. Given are the names of the flags that were set.
func (f *Flags) Check(given map[string]bool) error {
	if len(f.URLs) == 0 {
		for _, name := range []string{"nats-creds", "nats-ca", "nats-partitions", "nats-replicas"} {
			if given[name] {
				return fmt.Errorf("-%s is without effect: -nats is not given", name)
			}
		}
		return nil
	}
	switch {
	case f.Partitions < 1 || f.Partitions > jetstream.MaxPartitions:
		return fmt.Errorf("-nats-partitions is %d: must be 1 to %d", f.Partitions, jetstream.MaxPartitions)
	case f.Replicas < 0 || f.Replicas > maxReplicas:
		return fmt.Errorf("-nats-replicas is %d: must be 0 to %d", f.Replicas, maxReplicas)
	}
	if f.Creds != "" {
		if _, err := os.ReadFile(f.Creds); err != nil {
			return fmt.Errorf("-nats-creds: %w", err)
		}
	}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return fmt.Errorf("-nats-ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return fmt.Errorf("-nats-ca: %s has no certificate in PEM", f.CA)
		}
	}
	return nil
}

// errNone is that a command is not told where NATS is.
var errNone = errors.New("-nats is not given: name the servers, as -nats nats://host:4222")

// Config is that of the streams.
func (f *Flags) Config(history int, age time.Duration, maxMessage int) jetstream.Config {
	return jetstream.Config{
		URLs: f.URLs, Creds: f.Creds, CA: f.CA, Partitions: f.Partitions, Replicas: f.Replicas,
		History: history, Age: age, MaxMessage: maxMessage,
	}
}
