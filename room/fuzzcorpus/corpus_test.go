package fuzzcorpus

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func input(lines ...string) []byte {
	return []byte(version + "\n" + strings.Join(lines, "\n") + "\n")
}

func TestInputsAreDecodedAsGoEncodesThem(t *testing.T) {
	for _, tt := range []struct {
		lines []string
		want  []any
	}{
		{[]string{`[]byte("a\x00\n-- b --\"\\€)")`}, []any{[]byte("a\x00\n-- b --\"\\€)")}},
		{[]string{`[]byte("")`, `uint8(255)`, "[]byte(`raw`)"}, []any{[]byte{}, uint8(255), []byte("raw")}},
		{[]string{`byte('\x00')`, `byte('A')`, `byte('\u0080')`}, []any{byte(0), byte('A'), byte(0x80)}},
		{[]string{`string("\xff")`, `bool(true)`, `rune('€')`}, []any{"\xff", true, '€'}},
		{[]string{`int(-1)`, `int8(-128)`, `int16(-5)`, `int32(7)`, `int64(-9223372036854775808)`}, []any{-1, int8(-128), int16(-5), int32(7), int64(math.MinInt64)}},
		{[]string{`uint(1)`, `uint16(65535)`, `uint32(9)`, `uint64(18446744073709551615)`}, []any{uint(1), uint16(65535), uint32(9), uint64(math.MaxUint64)}},
	} {
		if got, err := decode(input(tt.lines...)); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %#v, %v", tt.lines, got, err)
		}
	}
}

func TestWhatIsNoInputIsRefused(t *testing.T) {
	for _, s := range []string{"", "go test fuzz v2\nint(1)\n", version + "\n", version} {
		if got, err := decode([]byte(s)); err == nil {
			t.Errorf("%q: %v", s, got)
		}
	}
	for _, line := range []string{"", "1", `"a"`, "uint8(256)", "int8(", "[]byte(1)", `[]byte("`, `[]byte("a") `, "float64(1)", "[]int{1}", "len", "string(1.5)", "int", "nil"} {
		if got, err := decode(input(line)); err == nil {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestArchiveHoldsItsInputsInTheirOrder(t *testing.T) {
	path := Path(t.TempDir(), "FuzzIt")
	for _, inputs := range [][][]byte{nil, {input(`string("b")`), input(`string("a\n-- x --\n")`), input("int(1)", "int(2)")}} {
		if err := Write(path, inputs); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path); err != nil || !slices.EqualFunc(got, inputs, slices.Equal) {
			t.Errorf("%q, %v, want %q", got, err, inputs)
		}
	}
}

func TestDamageOfAnArchiveIsFound(t *testing.T) {
	path := Path(t.TempDir(), "FuzzIt")
	one, two := input(`string("one")`), input(`string("two")`)
	if err := Write(path, [][]byte{one, two}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := string(b)
	second := strings.Index(whole, "-- "+Name(two))
	for name, damage := range map[string]string{
		"empty":                             "",
		"another byte in an input":          strings.Replace(whole, "one", "One", 1),
		"another name":                      strings.Replace(whole, Name(two), Name(one), 1),
		"lines end as on other systems":     strings.ReplaceAll(whole, "\n", "\r\n"),
		"an input is gone":                  whole[:second],
		"cut in an input":                   whole[:len(whole)-5],
		"cut in a name":                     whole[:second+9],
		"first input's name is none":        strings.Replace(whole, "-- "+Name(one), "- "+Name(one), 1),
		"second input's name is none":       strings.Replace(whole, "-- "+Name(two), "- "+Name(two), 1),
		"a conflict":                        strings.Replace(whole, "-- "+Name(two), "<<<<<<< HEAD\n-- "+Name(two), 1),
		"an input was added by hand":        whole + "-- mine --\n" + string(one),
		"another target's":                  strings.Replace(whole, "FuzzIt", "FuzzOther", 1),
		"something follows that is no file": whole + "x\n",
	} {
		if err := os.WriteFile(path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		inputs, err := Read(path)
		if err == nil || inputs != nil || !strings.HasPrefix(err.Error(), path+" is damaged: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %d inputs, %v", name, len(inputs), err)
		}
	}
}

func TestArchiveThatIsMissingIsSaid(t *testing.T) {
	_, err := Read(filepath.Join(t.TempDir(), "FuzzIt.txtar"))
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasSuffix(err.Error(), ": make corpus writes it") {
		t.Error(err)
	}
}

// FuzzAdd's archive has one input, which was written by hand.
func FuzzAdd(f *testing.F) {
	Add(f)
	f.Fuzz(func(t *testing.T, b []byte, s string, n uint16) {
		if strings.HasSuffix(t.Name(), "/seed#0") && (string(b) != "\x00 bytes" || s != "-- text --\n" || n != 512) {
			t.Errorf("%q, %q, %d", b, s, n)
		}
	})
}

func TestTargetFailsWithOneLineWhereItsArchiveIsOfNoUse(t *testing.T) {
	for name, tt := range map[string]struct {
		archive func(path string) error
		want    string
	}{
		"whole": {func(path string) error { return Write(path, nil) }, ""},
		"missing": {func(string) error { return nil },
			"open testdata/FuzzAdd.txtar: no such file or directory: make corpus writes it"},
		"damaged": {func(path string) error { return os.WriteFile(path, []byte("x\n"), 0o600) },
			`testdata/FuzzAdd.txtar is damaged: it begins with "x", and 0 inputs follow: restore it, or remove it and run make corpus`},
		"no input": {func(path string) error { return Write(path, [][]byte{input("float64(1)")}) },
			"input " + Name(input("float64(1)")) + " of testdata/FuzzAdd.txtar: float64(1): not of a type that is known here, but float64"},
		"other values": {func(path string) error { return Write(path, [][]byte{input("int(1)", "int(2)", "int(3)")}) },
			"mismatched types in corpus entry: [int int int], want [[]uint8 string uint16]"},
	} {
		t.Run(name, func(t *testing.T) {
			path := Path(t.TempDir(), "FuzzAdd")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := tt.archive(path); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^FuzzAdd$")
			cmd.Dir = filepath.Dir(filepath.Dir(path))
			out, err := cmd.CombinedOutput()
			if (err != nil) != (tt.want != "") || !strings.Contains(string(out), tt.want+"\n") {
				t.Errorf("%v: %s\nwant %s", err, out, tt.want)
			}
		})
	}
}
