package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// root is where README.md is.
const root = "../.."

// fence is a block of Markdown that is shown as it is.
var fence = regexp.MustCompile("(?ms)^```.*?^```$")

// documents are the files in Markdown of the repository, without fenced blocks, by their
// paths below root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "bin" || d.Name() == "node_modules" || name != "." && d.Name()[0] == '.'):
			return fs.SkipDir
		case path.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		all[name] = fence.ReplaceAllString(string(text), "")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// anchors are the names by which a document's headings are linked to.
func anchors(text string) (all []string) {
	for line := range strings.Lines(text) {
		title := strings.TrimLeft(line, "#")
		if title == line || title[0] != ' ' {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title))
		unique := name
		for n := 1; slices.Contains(all, unique); n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		all = append(all, unique)
	}
	return all
}

func TestAnchorsAreThoseOfTheHeadings(t *testing.T) {
	got := anchors("# A title\n\nnone # here\n#nor here\n## `-x` & chat.v1, said_twice\n### A title\n")
	if want := []string{"a-title", "-x--chatv1-said_twice", "a-title-1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Links to other hosts are not looked at.
func TestEveryLinkOfTheDocumentsLeadsSomewhere(t *testing.T) {
	all := documents(t)
	link := regexp.MustCompile(`\]\(([^()\s]+)\)`)
	found := 0
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			file, anchor, _ := strings.Cut(m[1], "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			if info, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
			} else if info.IsDir() && anchor != "" {
				t.Errorf("%s: %s is a directory's", name, m[1])
			} else if anchor != "" && !slices.Contains(anchors(all[to]), anchor) {
				t.Errorf("%s: there is no heading for %s", name, m[1])
			}
		}
	}
	if len(all) < 10 || found < 100 {
		t.Errorf("only %d documents and %d links were found", len(all), found)
	}
}

// What a table of flags says of a default in words, because it depends on the host, or has
// no short form.
var defaultsInWords = []string{"workers", "max-conns", "max-rooms", "secret", "acme-directory", "nats-replicas"}

// README.md beside this file has the flags in the sections of -help, with their defaults.
func TestTablesOfFlagsAreWhatHelpSays(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = bytes.Cut(text, []byte("\n## Flags\n"))
	text, _, _ = bytes.Cut(text, []byte("\n## "))
	row := regexp.MustCompile("^\\| (`-[^|]*) \\| ([^|]*?) ?\\| \\S.* \\|$")
	sections, flags := make(map[string]string), make(map[string]string) // a flag's section, its default
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, "### "); ok {
			section = title
		}
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for name := range strings.SplitSeq(m[1], ", ") {
			name = strings.TrimPrefix(strings.Trim(name, "`"), "-")
			if _, twice := flags[name]; twice {
				t.Errorf("-%s is there twice", name)
			}
			sections[name], flags[name] = section, strings.Trim(m[2], "`")
		}
	}
	fs := new(options).flags()
	fs.fill()
	for _, s := range fs.sections {
		for _, f := range s.flags {
			says, ok := flags[f.Name]
			switch {
			case !ok:
				t.Errorf("-%s is in no table", f.Name)
			case sections[f.Name] != s.title:
				t.Errorf("-%s is in the section %q, in -help in %q", f.Name, sections[f.Name], s.title)
			case slices.Contains(defaultsInWords, f.Name):
				if says == "" {
					t.Errorf("-%s has no default", f.Name)
				}
			case !sameDefault(says, f.DefValue):
				t.Errorf("-%s is %q by default, not %q", f.Name, f.DefValue, says)
			}
			delete(flags, f.Name)
		}
	}
	for name := range flags {
		t.Errorf("there is no flag -%s", name)
	}
}

// sameDefault tells if the table's default is that of the flag: short as people write it.
func sameDefault(says, is string) bool {
	switch is {
	case "", "0", "0s", "false":
		return says == "" || says == is || says == "0"
	}
	// 24h0m0s is 24h, and 10m0s is 10m.
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(is, zero) {
			is = is[:len(is)-2]
		}
	}
	return strings.EqualFold(says, is)
}
