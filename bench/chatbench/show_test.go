package main

import (
	"os"
	"strings"
	"testing"
)

func TestDocumentsQuoteWhatWasMeasured(t *testing.T) {
	t.Chdir("../..")
	c, err := readComparison(measured)
	if err != nil {
		t.Fatal(err)
	}
	for file, places := range map[string]int{"README.md": 1, "bench/README.md": 2} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if n := len(quotes.FindAllString(text, -1)); n != places || strings.Count(text, "<!--") != 2*places {
			t.Errorf("%s: %d places are marked, want %d", file, n, places)
		}
		if quoted(text, c) != text {
			t.Errorf("%s has other figures than %s: bin/chatbench quote %s", file, measured, file)
		}
	}
}

func TestWhatIsNotMarkedIsLeftAlone(t *testing.T) {
	c, err := readComparison("../../" + measured)
	if err != nil {
		t.Fatal(err)
	}
	const before, after = "# Title\n\n<!-- bin/chatbench brief -->\n", "<!-- end -->\n\n<!-- bin/chatbench nonsense -->\nold\n<!-- end -->\n"
	got := quoted(before+"an old table\n"+after, c)
	if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) || strings.Contains(got, "an old table") || !strings.Contains(got, "| chatd |") {
		t.Errorf("%s", got)
	}
	if quoted(got, c) != got {
		t.Error("it is another text the second time")
	}
}
