package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chatd/room"
)

const (
	asText    = "Content-Type: text/plain"
	asJSON    = "Content-Type: application/json"
	withToken = "Authorization: Bearer " + token
)

// TestEachStatus is the table of what may be answered.
func TestEachStatus(t *testing.T) {
	f := start(t, func(c *room.Config) { c.Rooms = []string{"lobby", "side"} })
	p := f.publish("lobby", `{"text":"first","nonce":"n"}`)
	big, long := strings.Repeat("x", 1000), strings.Repeat("x", 1001)
	nonce := strings.Repeat("n", 65)
	const messages, member = "/rooms/lobby/messages", "/rooms/lobby/members/x"
	for _, tt := range []struct {
		status               int
		method, target, body string
		fields               []string
	}{
		{200, "GET", "/rooms", "", nil},
		{200, "GET", "/rooms?after=lobby&limit=1", "", nil},
		{200, "GET", "/rooms?after=%20a%2F&other=1", "", nil},
		{200, "HEAD", "/rooms", "", nil},
		{200, "GET", "/rooms/lobby", "", nil},
		{200, "HEAD", "/rooms/lobby", "", nil},
		{200, "GET", messages, "", nil},
		{200, "GET", messages + "?limit=1000", "", nil},
		{200, "GET", messages + "?since=&limit=1", "", nil},
		{200, "GET", messages + "?since=now", "", nil},
		{200, "GET", messages + "?since=" + p.Epoch + ".1", "", nil},
		{200, "GET", messages + "?since=00000000.7", "", nil},
		{200, "HEAD", messages, "", nil},
		{201, "POST", messages, "hi", []string{asText}},
		{201, "POST", messages, big, []string{asText + "; charset=UTF-8"}},
		{201, "POST", messages, "é", []string{"Content-Type: TEXT/PLAIN;charset=\"utf-8\""}},
		{201, "POST", messages, ` {"other":[1],"text":"\ud800"} `, []string{asJSON + "; charset=utf-8"}},
		{201, "POST", messages, `{"text":"` + strings.Repeat(`\u0041`, 1000) + `","name":"Ana"}`, []string{asJSON}},
		{201, "POST", messages, `{"text":"x","name":"","nonce":""}`, []string{asJSON}},
		{200, "POST", messages, `{"text":"again","nonce":"n"}`, []string{asJSON}},
		{204, "DELETE", member, "", nil},
		{204, "DELETE", "/rooms/lobby/members/a%2Fb%20c", "", nil},
		{204, "OPTIONS", "/rooms", "", nil},
		{204, "OPTIONS", "/rooms/lobby", "", nil},
		{204, "OPTIONS", messages, "", nil},
		{204, "OPTIONS", member, "", nil},

		{400, "GET", messages + "?since=x", "", nil},
		{400, "GET", messages + "?since=" + p.Epoch + ".9007199254740992", "", nil},
		{400, "GET", messages + "?since=%zz", "", nil},
		{400, "GET", messages + "?limit=0", "", nil},
		{400, "GET", messages + "?limit=-1", "", nil},
		{400, "GET", messages + "?limit=1001", "", nil},
		{400, "GET", messages + "?limit=x", "", nil},
		{400, "GET", "/rooms?limit=", "", nil},
		{400, "GET", "/rooms/lo%62by", "", nil},
		{400, "GET", "/rooms/a%2Fb", "", nil},
		{400, "GET", "/rooms/" + strings.Repeat("r", 65), "", nil},
		{400, "GET", "/rooms/..", "", nil},
		{400, "GET", "/rooms/./messages", "", nil},
		{400, "GET", "/rooms//messages", "", nil},
		{400, "POST", "/rooms/a!b/messages", "hi", []string{asText}},
		{400, "DELETE", "/rooms/%2e%2e/members/x", "", nil},
		{400, "POST", messages, "", []string{asJSON}},
		{400, "POST", messages, "{", []string{asJSON}},
		{400, "POST", messages, `{"text":"x"} x`, []string{asJSON}},
		{400, "POST", messages, `{"text":nul}`, []string{asJSON}},
		{400, "POST", messages, "{\"text\":\"\xff\"}", []string{asJSON}},
		{400, "GET", "/rooms", "", []string{withToken}}, // two of them
		{400, "HEAD", "/rooms?limit=0", "", nil},
		{400, "HEAD", "/rooms/a%2Fb", "", nil},
		{400, "HEAD", messages + "?since=x", "", nil},
		{400, "OPTIONS", "/rooms/a%2Fb", "", nil},
		{400, "OPTIONS", "/rooms/a%2Fb/messages", "", nil},
		{400, "OPTIONS", "/rooms/a%2Fb/members/x", "", nil},

		{404, "GET", "/rooms/", "", nil},
		{404, "GET", "/rooms/lobby/", "", nil},
		{404, "GET", "/rooms/lobby/other", "", nil},
		{404, "GET", messages + "/", "", nil},
		{404, "GET", messages + "/1", "", nil},
		{404, "GET", "/rooms/lobby/members", "", nil},
		{404, "GET", "/rooms/lobby/messages/events", "", nil},
		{400, "GET", "/rooms/a%2Fb/events", "", nil},
		{404, "DELETE", "/rooms/lobby/members/", "", nil},
		{404, "DELETE", member + "/y", "", nil},
		{404, "GET", "/rooms/side", "", nil},
		{404, "GET", "/rooms/side/messages", "", nil},
		{404, "HEAD", "/rooms/side", "", nil},
		{404, "HEAD", "/rooms/side/messages", "", nil},
		{404, "DELETE", "/rooms/side/members/x", "", nil},
		{404, "POST", "/rooms/none/messages", "hi", []string{asText}}, // -rooms

		{405, "POST", "/rooms", "hi", []string{asText}},
		{405, "PUT", "/rooms/lobby", "", nil},
		{405, "DELETE", messages, "", nil},
		{405, "GET", member, "", nil},
		{405, "PROPFIND", messages, "", nil},

		{413, "POST", messages, long, []string{asText}},
		{413, "POST", messages, `{"text":"` + long + `"}`, []string{asJSON}},
		{413, "POST", messages, strings.Repeat(" ", 20_000), []string{asJSON}},

		{415, "POST", messages, "hi", nil},
		{415, "POST", messages, "hi", []string{"Content-Type: "}},
		{415, "POST", messages, "hi", []string{"Content-Type: text"}},
		{415, "POST", messages, "hi", []string{"Content-Type: application/x-www-form-urlencoded"}},
		{415, "POST", messages, "hi", []string{"Content-Type: text/html"}},
		{415, "POST", messages, "hi", []string{asText + "; charset=latin1"}},
		{415, "POST", messages, "{}", []string{"Content-Type: application/problem+json"}},
		{415, "POST", messages, "hi", []string{asText, asText}},
		{415, "POST", messages, "hi", []string{asText, "Content-Encoding: gzip"}},

		{422, "POST", messages, "", []string{asText}},
		{422, "POST", messages, "\xff", []string{asText}},
		{422, "POST", messages, "[]", []string{asJSON}},
		{422, "POST", messages, "null", []string{asJSON}},
		{422, "POST", messages, `"hi"`, []string{asJSON}},
		{422, "POST", messages, "{}", []string{asJSON}},
		{422, "POST", messages, `{"text":""}`, []string{asJSON}},
		{422, "POST", messages, `{"text":1}`, []string{asJSON}},
		{422, "POST", messages, `{"text":null}`, []string{asJSON}},
		{422, "POST", messages, `{"text":"x","text":"y"}`, []string{asJSON}},
		{422, "POST", messages, `{"text":"x","name":1}`, []string{asJSON}},
		{422, "POST", messages, `{"text":"x","name":null}`, []string{asJSON}},
		{422, "POST", messages, `{"text":"x","name":"` + strings.Repeat("x", 33) + `"}`, []string{asJSON}},
		{422, "POST", messages, `{"text":"x","name":"a\u202eb"}`, []string{asJSON}},
		{422, "POST", messages, `{"text":"x","nonce":"` + nonce + `"}`, []string{asJSON}},
		{422, "POST", messages, `{"text":"x","nonce":1}`, []string{asJSON}},
	} {
		a := f.status(f.ask(tt.method, tt.target, tt.body, tt.fields...), tt.status)
		if allow := a.Header.Get("Allow"); (tt.status == 405) != (allow != "") && tt.method != "OPTIONS" {
			t.Errorf("%s %s: Allow: %q", tt.method, tt.target, allow)
		}
		if tt.method == "HEAD" && len(a.body) > 0 {
			t.Errorf("%s %s: %q", tt.method, tt.target, a.body)
		}
	}
	var r figures
	f.status(f.ask("GET", "/rooms/lobby", ""), 200).json(t, &r)
	if r.Seq != 7 {
		t.Errorf("there are %d messages", r.Seq) // those with 201
	}
}

// The room's hub is asked, and there is no time for its answer.
func TestServerThatIsTooBusySaysSo(t *testing.T) {
	f := start(t)
	f.publish("lobby", "hi")
	for _, route := range []string{"GET /rooms/lobby/messages", "HEAD /rooms/lobby/messages", "POST /rooms/lobby/messages", "DELETE /rooms/lobby/members/x"} {
		method, target, _ := strings.Cut(route, " ")
		f.hurry(method, target)
	}
}

// hurry sends a request that has no time to wait for the server, which must say so.
func (f *fixture) hurry(method, target string) {
	f.t.Helper()
	ctx, cancel := context.WithDeadline(f.t.Context(), time.Now())
	defer cancel()
	for deadline := time.Now().Add(wait); ; { // the hub may have been there first
		r, rec := f.request(method, target, "hi", asText, withToken), httptest.NewRecorder()
		f.api.ServeHTTP(rec, r.WithContext(ctx))
		a := answer{Response: rec.Result(), body: rec.Body.Bytes()}
		a.Request = r
		f.compare(r, "hi", a)
		if a.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s %s: %s", method, target, a.Status)
		}
	}
}

// everyRoute has each route and method.
var everyRoute = []string{"GET /rooms", "HEAD /rooms", "GET /rooms/lobby", "HEAD /rooms/lobby", "GET /rooms/lobby/messages", "HEAD /rooms/lobby/messages", "POST /rooms/lobby/messages", "DELETE /rooms/lobby/members/x"}

func TestWithoutATokenNobodyMayDoAnything(t *testing.T) {
	f := start(t)
	for _, route := range everyRoute {
		method, target, _ := strings.Cut(route, " ")
		for _, fields := range [][]string{
			nil, {"Authorization: "}, {"Authorization: Bearer"}, {"Authorization: Bearer "}, {"Authorization: Bearer x"}, {"Authorization: Basic " + token},
			{"Authorization: " + token}, {"Authorization: Bearer " + token + "x"}, {"Authorization: Bearer " + token[1:]}, {"Authorization: Bearer " + strings.ToUpper(token)},
			{"Authorization: Bearer " + token + ", Bearer " + token}, {"Authorization: Bearer #"}, {"Authorization: Bearer " + strings.Repeat("x", 7000)}, {"Proxy-Authorization: Bearer " + token},
		} {
			a := f.status(f.send(method, target, "hi", append(fields, asText)...), 401)
			if got := a.Header.Get("WWW-Authenticate"); got != "Bearer" {
				t.Errorf("%s: WWW-Authenticate: %q", route, got)
			}
		}
		if f.status(f.send(method, target+"?token="+token, "hi", asText), 401); t.Failed() {
			return
		}
	}
	for _, authorization := range []string{"Bearer " + token, "bearer  " + other + " ", "BEARER " + other} {
		f.status(f.send("GET", "/rooms", "", "Authorization: "+authorization), 200)
	}
}

func TestWithoutATokenFileNobodyMayAndIsToldWhy(t *testing.T) {
	f := startWith(t, "")
	for _, route := range append([]string{"PUT /rooms", "GET /rooms/", "GET /rooms/a%20b", "GET /rooms/lobby/else"}, everyRoute...) {
		method, target, _ := strings.Cut(route, " ")
		a := f.status(f.ask(method, target, "hi", asText), 403)
		if method != "HEAD" && !strings.Contains(string(a.body), "-api-token-file") {
			t.Errorf("%s: %s", route, a.body)
		}
	}
}

func TestPagesOfAllowedOriginsMayUseIt(t *testing.T) {
	f := start(t, func(c *room.Config) { c.AllowOrigin = []string{"https://shop.example"} })
	for origin, allowed := range map[string]bool{"https://shop.example": true, "http://" + f.addr: true, "https://evil.example": false, "null": false} {
		for _, a := range []answer{
			f.send("OPTIONS", "/rooms/lobby/messages", "", "Origin: "+origin, "Access-Control-Request-Method: POST"),
			f.send("GET", "/rooms", "", "Origin: "+origin),
			f.ask("GET", "/rooms", "", "Origin: "+origin),
			f.send("GET", "/rooms/%20", "", "Origin: "+origin),
		} {
			want := ""
			if allowed {
				want = origin
			}
			if got := a.Header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("%s of %s: Access-Control-Allow-Origin: %q", a.Request.Method, origin, got)
			}
			methods := a.Header.Get("Access-Control-Allow-Methods")
			if asked := a.Request.Method == "OPTIONS"; (methods != "") != (asked && allowed) {
				t.Errorf("%s of %s: Access-Control-Allow-Methods: %q", a.Request.Method, origin, methods)
			}
		}
	}
}

func TestRequestsAreCountedByRouteAndClass(t *testing.T) {
	f := start(t)
	f.publish("lobby", "hi")
	f.ask("GET", "/rooms/lobby/messages", "")
	f.ask("GET", "/rooms/none", "")
	f.ask("GET", "/rooms/%20", "")
	f.ask("GET", "/rooms/lobby/none", "")
	want := map[string]uint64{"/rooms/{room}/messages 2xx": 2, "/rooms/{room} 4xx": 1, "/ 4xx": 2}
	f.api.Requests(func(route, class string, n uint64) {
		if key := route + " " + class; n != want[key] {
			t.Errorf("%d of %s, want %d", n, key, want[key])
		}
	})
	if st := f.server.Stats(); st.Published != 1 || st.Repeated != 0 {
		t.Errorf("%+v", st)
	}
}
