package api

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.uber.org/goleak"

	"chatd/poller"
	"chatd/room"
)

func TestMain(m *testing.M) {
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		if status == 0 && allRan() {
			status = reportUnseen()
		}
		os.Exit(status)
	}))
}

// seen has each operation and status that was compared with the description.
var seen sync.Map

// allRan reports whether no test was left out.
func allRan() bool {
	for _, chosen := range []string{"run", "skip", "list", "fuzz"} {
		if flag.Lookup("test."+chosen).Value.String() != "" {
			return false
		}
	}
	return true
}

// reportUnseen fails if the description has a status that no test had.
func reportUnseen() (exit int) {
	doc, err := openapi3.NewLoader().LoadFromFile(description)
	if err != nil {
		panic(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				if what := method + " " + path + " " + status; !isSeen(what) {
					fmt.Fprintln(os.Stderr, what+" is described, and no test had it")
					exit = 1
				}
			}
		}
	}
	return exit
}

func isSeen(what string) bool {
	_, ok := seen.Load(what)
	return ok
}

// wait bounds what would otherwise hang; no test depends on its length.
const wait = 60 * time.Second

// fixture is a server with an API whose clock is the test's. Each answer is compared
// with static/openapi.yaml.
type fixture struct {
	t      testing.TB
	server *room.Server
	api    *API
	addr   string
	file   string // of tokens
	log    *log
	router routers.Router
	client *http.Client
}

const (
	token = "a-token-of-the-test"
	other = "another+token/of==="
)

// start starts a server whose tokens are those above.
func start(t testing.TB, change ...func(*room.Config)) *fixture {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens")
	write(t, file, "# back ends\n"+token+"\n\n  "+other+" # the other one\r\n")
	return startWith(t, file, change...)
}

// startWith is start with a file of tokens, or with none.
func startWith(t testing.TB, file string, change ...func(*room.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, file: file, log: new(log), router: described(t), client: &http.Client{Timeout: wait}}
	logger := slog.New(slog.NewTextHandler(f.log, nil))
	config := room.Config{
		Queue: 256, MaxMessage: 1000, History: 100, Ban: time.Minute, HandshakeTimeout: 5 * time.Second, DrainTimeout: 10 * time.Second, Compress: true,
		Page: http.NotFoundHandler(), Log: logger,
	}
	for _, c := range change {
		c(&config)
	}
	var tokens *Tokens
	if file != "" {
		var err error
		if tokens, err = OpenTokens(file); err != nil {
			t.Fatal(err)
		}
	}
	a := New(tokens, config.MaxMessage)
	config.API = a
	pool := poller.NewPool(1, poller.NewPlain, logger)
	epoll, err := poller.New(pool, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	listener, err := poller.Listen("127.0.0.1:0", logger)
	if err != nil {
		t.Fatal(err)
	}
	f.addr = listener.Addr().String()
	f.api, f.server = a, room.New(config, pool, epoll, listener.Resume)
	a.Begin(f.server)
	if err := listener.Start(epoll, pool, f.server); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		listener.Close()
		f.shutdown()
		epoll.Close()
		pool.Close()
		for _, secret := range []string{token, other} {
			if strings.Contains(f.log.String(), secret) {
				t.Errorf("the log tells a token:\n%s", f.log)
			}
		}
	})
	return f
}

// log is what was logged.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String implements fmt.Stringer.
func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// shutdown ends the server while the clock runs fast.
func (f *fixture) shutdown() {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		done <- f.server.Shutdown(ctx)
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				f.t.Error("shutdown:", err)
			}
			return
		case <-time.After(time.Millisecond):
			f.server.Tick()
		}
	}
}

// pass has so much time pass.
func (f *fixture) pass(d time.Duration) {
	for range d / room.TickInterval {
		f.server.Tick()
	}
}

func write(t testing.TB, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

const description = "../../../static/openapi.yaml"

// described finds what the description has of a request.
func described(t testing.TB) routers.Router {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromFile(description)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(loader.Context, openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// answer is one to a request.
type answer struct {
	*http.Response
	body []byte
}

// json decodes the answer.
func (a answer) json(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
}

// ask sends a request with the token, and these fields, and compares it and the answer
// with the description.
func (f *fixture) ask(method, target, body string, fields ...string) answer {
	f.t.Helper()
	return f.send(method, target, body, append(fields, "Authorization: Bearer "+token)...)
}

// request is one with these fields.
func (f *fixture) request(method, target, body string, fields ...string) *http.Request {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, "http://"+f.addr+target, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// send is ask without a token.
func (f *fixture) send(method, target, body string, fields ...string) answer {
	f.t.Helper()
	r := f.request(method, target, body, fields...)
	res, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{Response: res}
	if a.body, err = io.ReadAll(res.Body); err != nil {
		f.t.Fatal(err)
	}
	f.compare(r, body, a)
	return a
}

// notDescribed is what a schema can't say of a query.
var notDescribed = regexp.MustCompile(`%zz|\.9007199254740992`)

// compare compares a request and its answer with the description: what has been
// answered as it wants must be described, and what has not been, is a problem.
func (f *fixture) compare(r *http.Request, body string, a answer) {
	f.t.Helper()
	if a.StatusCode >= 400 && r.Method != http.MethodHead {
		var p Problem
		a.json(f.t, &p)
		if a.Header.Get("Content-Type") != "application/problem+json" || p.Status != a.StatusCode || p.Title == "" || p.Detail == "" {
			f.t.Errorf("%s %s: %s is no problem: %s", r.Method, r.URL, a.Status, a.body)
		}
	}
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Vary") != "Origin" {
		f.t.Errorf("%s %s: %v", r.Method, r.URL, a.Header)
	}
	route, params, err := f.router.FindRoute(r)
	if err != nil {
		if !slices.Contains([]int{400, 403, 404, 405}, a.StatusCode) {
			f.t.Errorf("%s %s is not described: %v, %s", r.Method, r.URL, err, a.Status)
		}
		return
	}
	seen.Store(fmt.Sprintf("%s %s %d", r.Method, route.Path, a.StatusCode), true)
	describable := body == "" && !notDescribed.MatchString(r.URL.RawQuery) && len(r.Header["Authorization"]) < 2
	r = r.Clone(f.t.Context())
	r.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
		MultiError: true, IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	}}
	if err := openapi3filter.ValidateRequest(f.t.Context(), in); err != nil && a.StatusCode < 300 {
		f.t.Errorf("%s %s is answered, and not described: %v", r.Method, r.URL, err)
	} else if err == nil && a.StatusCode == http.StatusBadRequest && describable {
		f.t.Errorf("%s %s is described, and not answered: %s", r.Method, r.URL, a.body)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.StatusCode, Header: a.Header, Options: in.Options}
	if r.Method == http.MethodHead {
		in.Options.ExcludeResponseBody = true
	}
	out.SetBodyBytes(a.body)
	if err := openapi3filter.ValidateResponse(f.t.Context(), out); err != nil {
		f.t.Errorf("%s %s: %s is not as it is described: %v", r.Method, r.URL, a.Status, err)
	}
}

// status compares that of an answer.
func (f *fixture) status(a answer, want int) answer {
	f.t.Helper()
	if a.StatusCode != want {
		f.t.Errorf("%s %s: %s, want %d: %s", a.Request.Method, a.Request.URL, a.Status, want, a.body)
	}
	return a
}

// placed is a receipt.
type placed struct {
	Room  string
	Seq   uint64
	At    int64
	Epoch string
}

// publish publishes a text, or a JSON object.
func (f *fixture) publish(room, what string, fields ...string) (p placed) {
	f.t.Helper()
	kind := plainText
	if strings.HasPrefix(what, "{") {
		kind = jsonText
	}
	a := f.ask("POST", "/rooms/"+room+"/messages", what, append(fields, "Content-Type: "+kind)...)
	f.status(a, http.StatusCreated).json(f.t, &p)
	return p
}

// member is one of a room who speaks chat.v1, or raw.
type member struct {
	*websocket.Conn
	t testing.TB
}

// event is one of chat.v1.
type event struct {
	Type, Room, ID, Name, Text, Nonce, Code, Session, Epoch string
	Seq                                                     uint64
	At                                                      int64
	From, To                                                uint64
	Why                                                     string
}

// join comes into a room. The target is what follows /ws.
func (f *fixture) join(target string, protocols ...string) (*member, *http.Response, error) {
	ctx, cancel := context.WithTimeout(f.t.Context(), wait)
	defer cancel()
	c, res, err := websocket.Dial(ctx, "ws://"+f.addr+"/ws"+target, &websocket.DialOptions{Subprotocols: protocols})
	if err != nil {
		return nil, res, err
	}
	c.SetReadLimit(1 << 20)
	f.t.Cleanup(func() { c.CloseNow() })
	return &member{c, f.t}, res, nil
}

// chat comes into a room and reads the welcome.
func (f *fixture) chat(target string) (*member, event) {
	f.t.Helper()
	m, _, err := f.join(target, "chat.v1")
	if err != nil {
		f.t.Fatal(err)
	}
	return m, m.event()
}

// message reads the next one, and returns the error if there is none.
func (m *member) message() ([]byte, error) {
	ctx, cancel := context.WithTimeout(m.t.Context(), wait)
	defer cancel()
	_, b, err := m.Read(ctx)
	return b, err
}

// event reads the next one that is not about how many members there are.
func (m *member) event() (e event) {
	m.t.Helper()
	for {
		b, err := m.message()
		if err != nil {
			m.t.Fatal(err)
		}
		e = event{}
		if err := json.Unmarshal(b, &e); err != nil {
			m.t.Fatal(err)
		}
		if e.Type != "members" {
			return e
		}
	}
}

// say sends an event.
func (m *member) say(event string) {
	m.t.Helper()
	if err := m.Write(m.t.Context(), websocket.MessageText, []byte(event)); err != nil {
		m.t.Fatal(err)
	}
}
