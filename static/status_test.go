package static

import (
	"net/http"
	"testing"
)

func TestStatusIsTheServersOwnAndNeverStored(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "index.html", "x")
	write(t, dir, "status.json", "a file of that name")
	facts := Facts{MaxMessage: 99, RateMessages: 5, RateBytes: 600}
	for _, assets := range []string{"", dir} {
		h, err := Handler(assets, facts)
		if err != nil {
			t.Fatal(err)
		}
		response := ask(t, h, "GET", "/status.json", "Accept-Encoding", "br")
		if got, want := body(t, response), `{"maxMessage":99,"rateMessages":5,"rateBytes":600}`; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		for field, want := range map[string]string{"Cache-Control": "no-store", "Content-Type": "application/json", "ETag": ""} {
			if got := response.Header.Get(field); got != want {
				t.Errorf("%s %q, want %q", field, got, want)
			}
		}
		head := ask(t, h, "HEAD", "/status.json")
		if head.StatusCode != http.StatusOK || body(t, head) != "" || head.Header.Get("Content-Length") == "" {
			t.Errorf("HEAD: %s", head.Status)
		}
	}
}
