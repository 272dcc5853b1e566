package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
	"github.com/peterbourgon/ff/v3"

	"chatd/room/handshake"
)

// envPrefix is that of the flags' variables.
const envPrefix = "CHATD"

// flagSet is chatd's flags, which are variables of the environment, too.
type flagSet struct {
	*flag.FlagSet
	environment bool // the values come from there
	sections    []section
}

// section is flags that -help shows together.
type section struct {
	title string
	flags []*flag.Flag
}

// section begins one, of the flags that are added until the next.
func (fs *flagSet) section(title string) {
	fs.fill()
	fs.sections = append(fs.sections, section{title: title})
}

// fill puts the flags that are in no section yet into the last one: those that are for
// users, which say what they do.
func (fs *flagSet) fill() {
	if len(fs.sections) == 0 {
		return
	}
	last := &fs.sections[len(fs.sections)-1]
	fs.VisitAll(func(f *flag.Flag) {
		has := func(s section) bool { return slices.Contains(s.flags, f) }
		if f.Usage != "" && !slices.ContainsFunc(fs.sections, has) {
			last.flags = append(last.flags, f)
		}
	})
}

// list adds a flag that may be given more than once. Its variable is a list
// with commas.
func (fs *flagSet) list(name, usage string, add func(string) error) {
	fs.Func(name, usage, func(v string) error {
		if !fs.environment {
			return add(v)
		}
		for one := range strings.SplitSeq(v, ",") {
			if err := add(strings.TrimSpace(one)); err != nil {
				return err
			}
		}
		return nil
	})
}

// parse sets the flags from args and then, those that are not there, from the
// environment. It returns the names of those that were set.
func (fs *flagSet) parse(args []string) (given map[string]bool, err error) {
	fs.hint(true)
	defer fs.hint(false)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, unexpected(fs.Arg(0), args)
	}
	fs.environment = true
	if err := ff.Parse(fs.FlagSet, nil, ff.WithEnvVarPrefix(envPrefix)); err != nil {
		return nil, err
	}
	if err := fs.misspelt(os.Environ()); err != nil {
		return nil, err
	}
	given = make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given, nil
}

// printSections prints what flags there are.
func (fs *flagSet) printSections(out io.Writer) {
	fs.fill()
	for _, s := range fs.sections {
		fmt.Fprintf(out, "\n%s:\n", s.title)
		shown := flag.NewFlagSet(fs.Name(), flag.ContinueOnError)
		shown.SetOutput(out)
		for _, f := range s.flags {
			shown.Var(f.Value, f.Name, f.Usage)
			shown.Lookup(f.Name).DefValue = f.DefValue
		}
		shown.PrintDefaults()
	}
}

// unexpected is the error for an argument that is no flag.
func unexpected(arg string, args []string) error {
	i := slices.Index(args, arg)
	if (arg == "true" || arg == "false") && i > 0 {
		return fmt.Errorf("unexpected argument %q: write %s=%s", arg, args[i-1], arg)
	}
	return fmt.Errorf("unexpected argument %q", arg)
}

// ofKubernetes are variables that Kubernetes makes for a service that is called
// chatd, or chatd-something.
var ofKubernetes = regexp.MustCompile(`_(PORT|SERVICE)(_|$)`)

// misspelt refuses a variable that is nearly one of a flag's: it would be
// without effect, and nobody would know. Others are somebody else's.
func (fs *flagSet) misspelt(environment []string) (err error) {
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		capitals := strings.ToUpper(name)
		if !strings.HasPrefix(capitals, envPrefix) || ofKubernetes.MatchString(capitals) {
			continue
		}
		meant, distance := "", 3
		fs.VisitAll(func(f *flag.Flag) {
			of := variable(f.Name)
			if d := levenshtein.Distance(capitals, of, nil); d < distance && d <= max(1, len(f.Name)/4) {
				meant, distance = of, d
			}
		})
		if meant != "" && meant != name {
			err = cmp.Or(err, fmt.Errorf("%s in the environment is no flag's: %s is meant, or another name", name, meant))
		}
	}
	return err
}

// variable is the name of a flag's variable.
func variable(name string) string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// hinted is a flag's value whose errors say what one looks like.
type hinted struct {
	flag.Value
	hint string
}

// Set implements flag.Value.
func (h hinted) Set(s string) error {
	if err := h.Value.Set(s); err != nil {
		return fmt.Errorf("%w: %s", err, h.hint)
	}
	return nil
}

// IsBoolFlag tells package flag whether the flag needs no value.
func (h hinted) IsBoolFlag() bool {
	b, ok := h.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// hint has the values of the basic types hinted, or no longer: their -help is
// made by their type.
func (fs *flagSet) hint(on bool) {
	fs.VisitAll(func(f *flag.Flag) {
		if h, ok := f.Value.(hinted); ok && !on {
			f.Value = h.Value
		}
		value, ok := f.Value.(flag.Getter)
		if !ok || !on {
			return
		}
		switch value.Get().(type) {
		case time.Duration:
			f.Value = hinted{value, "must be a number with a unit, as 54s or 1m30s"}
		case int, int64:
			f.Value = hinted{value, "must be a whole number"}
		case bool:
			f.Value = hinted{value, "must be true or false"}
		case *slog.Level:
			f.Value = hinted{value, "must be debug, info, warn or error"}
		}
	})
}

// parseHost reads a host's name, or its IP address, that stands alone.
func parseHost(s string) (string, error) {
	s = strings.TrimSpace(s)
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.WithZone("").String(), nil
	}
	o, err := handshake.ParseOrigin(s)
	if err != nil || o.Scheme != "" || o.Port != "" || o.Host == "*" {
		return "", errors.New("must be a host's name or IP address, without a scheme, a port or a pattern, as chat.example")
	}
	return strings.Trim(o.Host, "[]"), nil
}
