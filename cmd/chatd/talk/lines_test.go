package talk

import (
	"bufio"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestLinesAreReadWithoutTheirEndsAndNoLongerThanIsOfUse(t *testing.T) {
	in := "one\n\ntwo\r\n" + strings.Repeat("x", 1000) + "\n" + "th\rree\nlast"
	r := bufio.NewReaderSize(strings.NewReader(in), 16)
	var lines []string
	for {
		line, err := nextLine(r, 10)
		if len(line) > 10+16 {
			t.Errorf("%d bytes are kept", len(line))
		}
		lines = append(lines, line[:min(len(line), 11)])
		if err == io.EOF {
			break
		}
	}
	if want := []string{"one", "", "two", "xxxxxxxxxxx", "th\rree", "last"}; !slices.Equal(lines, want) {
		t.Errorf("%q, not %q", lines, want)
	}
}

func TestOnlyDevNullIsNothingToSay(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if !isNull(null) || isNull(r) {
		t.Errorf("%t, %t", isNull(null), isNull(r))
	}
}
