package static

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// statusName is where the page finds the facts. A file of that name in the
// assets directory is not served.
const statusName = "status.json"

// Facts is what the page is told of the server that it came from.
type Facts struct {
	MaxMessage   int   // bytes of a message; one that is longer is not taken
	RateMessages int64 // messages that a client may send in a second; 0: any number
	RateBytes    int64 // their bytes; 0: any number
}

// status answers a client's questions apart from its connection: whether anybody is
// there, and how fast it may send. It is the same for all, wherever they come from.
type status struct{ body []byte }

func newStatus(f Facts) (status, error) {
	body, err := json.Marshal(struct {
		MaxMessage   int   `json:"maxMessage"`
		RateMessages int64 `json:"rateMessages,omitempty"`
		RateBytes    int64 `json:"rateBytes,omitempty"`
	}(f))
	return status{body}, err
}

func (s status) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Cache-Control"] = noStoreField // the answer must be the server's own
	header["Access-Control-Allow-Origin"] = anyOriginField
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(s.body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(s.body) // a peer that went away needs no answer
	}
}
