package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Keys of a stream's metadata.
const (
	metaPartitions = "chatd-partitions" // how many streams rooms are spread over
	metaGeneration = "chatd-generation" // see the package comment; 0 if it is not there
)

// oldestServer is the first version of NATS that can be asked for many messages, and
// for the last of many rooms.
const oldestServer = "2.11.0"

// headersMost is more than a message's headers have, in bytes.
const headersMost = 4 << 10

func streamName(partition int) string { return "chat-" + strconv.Itoa(partition) }

// stream is what the stream of a partition must be. Nothing is kept in memory: with
// more than one message a subject, each that is dropped has the server search for the
// next one.
func (c Config) stream(partition int, clustered bool) jetstream.StreamConfig {
	replicas := c.Replicas
	switch {
	case replicas == 0 && clustered:
		replicas = 3
	case replicas == 0:
		replicas = 1
	}
	largest := int32(-1) // any
	if c.MaxMessage > 0 {
		largest = c.largest()
	}
	return jetstream.StreamConfig{
		Name:              streamName(partition),
		Description:       "rooms of chatd",
		Subjects:          []string{subject(publishedIn, partition, ">")},
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardOld,
		Storage:           jetstream.FileStorage,
		Replicas:          replicas,
		MaxMsgsPerSubject: int64(c.perRoom()),
		MaxAge:            c.age(),
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgSize:        largest,
		MaxConsumers:      -1,
		Duplicates:        duplicateWindow,
		AllowDirect:       true,
		RePublish:         &jetstream.RePublish{Source: subject(publishedIn, partition, ">"), Destination: subject(copiesIn, partition, ">")},
		Metadata:          map[string]string{metaPartitions: strconv.Itoa(c.Partitions)},
	}
}

// largest is how large the largest message is with its headers, in bytes.
func (c Config) largest() int32 { return int32(min(c.MaxMessage+headersMost, math.MaxInt32)) }

// Fault is what is wrong with a stream: with it, nodes would not have one order, or
// lose messages. Mend is the command that helps.
type Fault struct {
	Stream, What, Mend string
}

// Error implements error.
func (f Fault) Error() string { return fmt.Sprintf("stream %s %s: %s", f.Stream, f.What, f.Mend) }

// mendInit is for what can be changed in a stream that is there.
const mendInit = "chatd nats init changes that, with the same flags"

// faults are what is wrong with a stream that is there. What can't be mended by init
// comes first.
func (c Config) faults(partition int, is jetstream.StreamConfig) (faults []Fault) {
	name := streamName(partition)
	remake := "it can't be changed, but made anew, and its messages are lost: nats stream rm " + name + " && chatd nats init"
	add := func(mend, format string, args ...any) {
		faults = append(faults, Fault{name, fmt.Sprintf(format, args...), mend})
	}
	want := c.stream(partition, false)
	switch p, ok := is.Metadata[metaPartitions]; {
	case !ok:
		add("it was not made by chatd; if it may go: nats stream rm "+name+" && chatd nats init", "does not say how many partitions there are")
	case p != want.Metadata[metaPartitions]:
		add("start chatd with -nats-partitions "+p+", as all nodes do", "is one of %s, not of %d", p, c.Partitions)
	}
	if is.Storage != jetstream.FileStorage {
		add(remake, "is kept in memory")
	}
	if is.Mirror != nil || len(is.Sources) > 0 {
		add(remake, "gets messages from another stream, which gives them their order")
	}
	if is.Retention != jetstream.LimitsPolicy {
		add(remake, "forgets what was read")
	}
	if is.SubjectTransform != nil {
		add("nats stream edit "+name+" without it", "changes subjects")
	}
	if is.Sealed {
		add(remake, "is sealed")
	}
	if is.NoAck {
		add(mendInit, "acknowledges nothing")
	}
	if len(is.Subjects) != 1 || is.Subjects[0] != want.Subjects[0] {
		add(mendInit, "has the subjects %s, not %s", strings.Join(is.Subjects, ", "), want.Subjects[0])
	}
	if r := is.RePublish; r == nil {
		add(mendInit, "sends no copies of what it has stored")
	} else if *r != *want.RePublish {
		add(mendInit, "sends copies of %s to %s, not of %s to %s", r.Source, r.Destination, want.RePublish.Source, want.RePublish.Destination)
	}
	if !is.AllowDirect {
		add(mendInit, "can't be read directly")
	}
	if is.Discard != jetstream.DiscardOld {
		add(mendInit, "refuses new messages when it is full")
	}
	if is.Duplicates < want.Duplicates {
		add(mendInit, "knows duplicates for %s, not for %s", is.Duplicates, want.Duplicates)
	}
	if is.MaxMsgSize > 0 && c.MaxMessage > 0 && is.MaxMsgSize < c.largest() {
		add(mendInit, "takes messages of %d bytes, with headers: too few for -max-message %d", is.MaxMsgSize, c.MaxMessage)
	}
	return faults
}

// differs says what else a stream keeps than the configuration says; nothing breaks by
// it.
func (c Config) differs(is jetstream.StreamConfig) (what []string) {
	if n := int64(c.perRoom()); is.MaxMsgsPerSubject != n {
		what = append(what, fmt.Sprintf("%d messages of a room, twice -history is %d", is.MaxMsgsPerSubject, n))
	}
	if is.MaxAge != c.age() {
		what = append(what, fmt.Sprintf("for %s, -history-age and a minute are %s", is.MaxAge, c.age()))
	}
	if c.Replicas != 0 && is.Replicas != c.Replicas {
		what = append(what, fmt.Sprintf("%d replicas, -nats-replicas says %d", is.Replicas, c.Replicas))
	}
	return what
}

// mended is what is there with everything as it must be; what nobody here cares about,
// such as its placement, stays.
func (c Config) mended(partition int, is jetstream.StreamConfig) jetstream.StreamConfig {
	want := c.stream(partition, false)
	is.Subjects, is.RePublish, is.AllowDirect, is.NoAck, is.Discard = want.Subjects, want.RePublish, true, false, want.Discard
	is.MaxMsgsPerSubject, is.MaxAge = want.MaxMsgsPerSubject, want.MaxAge
	is.Duplicates = max(is.Duplicates, want.Duplicates)
	if is.MaxAge > 0 {
		is.Duplicates = min(is.Duplicates, is.MaxAge) // or NATS refuses it
	}
	if is.MaxMsgSize > 0 && c.MaxMessage > 0 {
		is.MaxMsgSize = max(is.MaxMsgSize, c.largest())
	}
	if c.Replicas != 0 {
		is.Replicas = c.Replicas
	}
	return is
}

// errFirst is that a stream is not made, because the first one is not there, or not as it
// must be: a node with another number of streams must not leave some behind.
var errFirst = errors.New("the first stream is not known to be well")

// ensure is the stream of a partition, which is made if it is not there and may be. It
// refuses one that would break the order.
func (c Config) ensure(ctx context.Context, js jetstream.JetStream, partition int, may bool) (*jetstream.StreamInfo, bool, error) {
	made := false
	stream, err := js.Stream(ctx, streamName(partition))
	if errors.Is(err, jetstream.ErrStreamNotFound) && !may {
		return nil, false, errFirst
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, c.stream(partition, js.Conn().ConnectedClusterName() != ""))
		made = err == nil
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node's flags say otherwise
			stream, err = js.Stream(ctx, streamName(partition))
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("stream %s: %w", streamName(partition), explained(js.Conn(), err))
	}
	info := stream.CachedInfo()
	if faults := c.faults(partition, info.Config); len(faults) > 0 {
		return info, made, faults[0]
	}
	return info, made, nil
}

// Init makes the streams that are not there and changes those that are other than they
// must be, as far as that is possible without a loss. It tells what it did.
func (c Config) Init(ctx context.Context, nc *nats.Conn, tell func(stream, what string)) error {
	c = c.withDefaults()
	if err := c.checkServer(nc); err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	for i := range c.Partitions {
		if err := c.init(ctx, js, i, tell); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) init(ctx context.Context, js jetstream.JetStream, partition int, tell func(stream, what string)) error {
	name := streamName(partition)
	info, made, err := c.ensure(ctx, js, partition, true)
	var fault Fault
	switch {
	case made:
		tell(name, "made")
		return nil
	case errors.As(err, &fault) && fault.Mend != mendInit:
		return err
	case err != nil && !errors.As(err, &fault):
		return err
	case err == nil && len(c.differs(info.Config)) == 0:
		tell(name, "is as it must be")
		return nil
	}
	if _, err := js.UpdateStream(ctx, c.mended(partition, info.Config)); err != nil {
		return fmt.Errorf("stream %s can't be changed: %w", name, explained(js.Conn(), err))
	}
	tell(name, "changed")
	return nil
}

// State is a stream as it is.
type State struct {
	Name    string
	Missing bool
	Info    *jetstream.StreamInfo // nil: missing
	Faults  []Fault
	Differs []string // from the configuration, without harm

	// Of a stream with several replicas, the servers.
	NoLeader bool     // and nothing is kept until they have chosen one
	Away     []string // with a copy that is not there
	Behind   []string // whose copy has not all yet
}

// look takes from the stream's information how its servers are.
func (s *State) look() {
	cluster := s.Info.Cluster
	if cluster == nil || s.Info.Config.Replicas < 2 {
		return
	}
	s.NoLeader = cluster.Leader == ""
	for _, r := range cluster.Replicas {
		switch {
		case r.Offline:
			s.Away = append(s.Away, r.Name)
		case !r.Current && !s.NoLeader:
			s.Behind = append(s.Behind, r.Name)
		}
	}
}

// Show says how the streams are. If one of them is of another number of streams, those
// that are not there need not be.
func (c Config) Show(ctx context.Context, nc *nats.Conn) (states []State, err error) {
	c = c.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	others := false
	for i := range c.Partitions {
		s := State{Name: streamName(i)}
		stream, err := js.Stream(ctx, s.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			s.Missing = true
		case err != nil:
			return nil, fmt.Errorf("stream %s: %w", s.Name, explained(nc, err))
		default:
			s.Info = stream.CachedInfo()
			s.Faults = c.faults(i, s.Info.Config)
			s.Differs = c.differs(s.Info.Config)
			s.look()
			other := s.Info.Config.Metadata[metaPartitions]
			others = others || other != "" && other != strconv.Itoa(c.Partitions)
		}
		states = append(states, s)
	}
	if others {
		states = slices.DeleteFunc(states, func(s State) bool { return s.Missing })
	}
	return states, nil
}

// checkServer refuses a server that can't do what is needed.
func (c Config) checkServer(nc *nats.Conn) error {
	version := nc.ConnectedServerVersion()
	if olderThan(version, oldestServer) {
		return fmt.Errorf("nats-server %s is too old: %s or newer is needed", version, oldestServer)
	}
	if most := nc.MaxPayload(); int64(c.MaxMessage)+headersMost > most {
		return fmt.Errorf("NATS takes messages of at most %d bytes, with headers: raise max_payload in nats-server's configuration, or lower -max-message, which is %d", most, c.MaxMessage)
	}
	return nil
}

// olderThan compares versions by their numbers.
func olderThan(version, than string) bool {
	numbers := func(s string) (n [3]int) {
		s, _, _ = strings.Cut(strings.TrimPrefix(s, "v"), "-")
		for i, part := range strings.SplitN(s, ".", 3) {
			n[i], _ = strconv.Atoi(part)
		}
		return n
	}
	a, b := numbers(version), numbers(than)
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// explained says what to do about an error of JetStream, if that is known.
func explained(nc *nats.Conn, err error) error {
	var api *jetstream.APIError
	silent := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
	switch {
	case silent && errors.Is(nc.LastError(), nats.ErrPermissionViolation):
		return fmt.Errorf("this user of NATS may not do all that chatd does: let it publish and subscribe to $JS.API.>, _INBOX.>, n.>, c.>, r.> and h.>, or to all of an account of its own (%w)", nc.LastError())
	case silent, errors.As(err, &api) && api.ErrorCode == codeUnavailable:
		return fmt.Errorf("JetStream does not answer: half or more of its servers are away, or they are choosing a leader, which takes some seconds (%w)", err)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return errors.New("JetStream is off, or has no leader yet: start nats-server with -js, or jetstream {} in its configuration")
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("JetStream is off for this account: give it limits, as jetstream: enabled in its configuration (%w)", err)
	case errors.As(err, &api) && (api.ErrorCode == codeNoPeers || api.ErrorCode == codeNoReplicas):
		return fmt.Errorf("there are not as many servers as replicas; -nats-replicas says how many (%w)", err)
	case errors.As(err, &api) && api.ErrorCode == codeNoStreams:
		return fmt.Errorf("there may be no more of them: raise max_streams of the account's jetstream limits, or have fewer by -nats-partitions, on all nodes and for good (%w)", err)
	case errors.As(err, &api) && api.ErrorCode == codeNoStorage:
		return fmt.Errorf("there is no storage left: raise max_file_store of nats-server, or max_file of the account's jetstream limits (%w)", err)
	case errors.As(err, &api) && api.ErrorCode == codeOverlap:
		return fmt.Errorf("another stream has subjects that begin with %s: it has to go, or chatd needs an account of its own (%w)", publishedIn, err)
	}
	return err
}

// lasting reports whether an error of a stream does not go away by itself.
func lasting(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, new(Fault)) || errors.As(err, &api) && (api.ErrorCode == codeNoReplicas || api.ErrorCode == codeOverlap) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}

// Codes of JetStream's errors that nats.go has no names for.
const (
	codeNoPeers     = 10005
	codeUnavailable = 10008
	codeNoStreams   = 10027
	codeNoStorage   = 10047
	codeNoReplicas  = 10074
	codeOverlap     = 10065
)
