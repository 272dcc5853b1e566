package static

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// statusName is where the page finds the facts. A file of that name in the
// assets directory is not served.
const statusName = "status.json"

// Facts is what the page is told of the server that it came from.
type Facts struct {
	MaxMessage   int   // bytes of a message; one that is longer is not taken
	RateMessages int64 // messages that a client may send in a second; 0: any number
	RateBytes    int64 // their bytes; 0: any number
	// Room tells one life of a room from another, and how many messages it has had
	// in it; of a room that is not there, zeros.
	Room func(name string) (life, messages uint64)
}

// status answers the page's questions: whether anybody is there, what the limits
// are, and how many messages there were in the room that it names (?room=), so that
// it knows whether it missed any.
// All its fields are static.
type status struct {
	facts Facts
	run   string // tells one run of the server from another
}

func newStatus(f Facts) *status {
	return &status{facts: f, run: strconv.FormatInt(time.Now().UnixNano(), 36)}
}

func (s *status) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Cache-Control"] = noStoreField // the answer must be the server's own
	header.Set("Content-Type", "application/json")
	life, messages := s.facts.Room(r.URL.Query().Get("room"))
	body, err := json.Marshal(struct {
		Run          string `json:"run"`
		MaxMessage   int    `json:"maxMessage"`
		RateMessages int64  `json:"rateMessages,omitempty"`
		RateBytes    int64  `json:"rateBytes,omitempty"`
		Messages     uint64 `json:"messages"`
	}{fmt.Sprintf("%s.%d", s.run, life), s.facts.MaxMessage, s.facts.RateMessages, s.facts.RateBytes, messages})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // a peer that went away needs no answer
	}
}
