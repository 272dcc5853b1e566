package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// stream is a room's events, as somebody reads them.
type stream struct {
	t      *testing.T
	events chan string // each as its lines
}

// readStream takes a stream apart until it ends.
func readStream(t *testing.T, from io.Reader) *stream {
	s := &stream{t, make(chan string, 100)}
	go func() {
		defer close(s.events)
		var event strings.Builder
		for r := bufio.NewReader(from); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line != "\n" {
				event.WriteString(line)
				continue
			}
			s.events <- event.String()
			event.Reset()
		}
	}()
	return s
}

// expect waits for a say of the text, past what is none.
func (s *stream) expect(text string) {
	s.t.Helper()
	overdue := time.After(patience)
	for {
		select {
		case event, ok := <-s.events:
			switch {
			case !ok:
				s.t.Fatalf("the stream ended before %q", text)
			case !strings.Contains(event, "event: say"):
			case !strings.Contains(event, fmt.Sprintf(`"text":%q`, text)):
				s.t.Fatalf("got %s, want %q", event, text)
			default:
				return
			}
		case <-overdue:
			s.t.Fatalf("%q does not come", text)
		}
	}
}

// talk has each message come before the next one is said: no buffer waits for more.
func (s *stream) talk(speaker *client) {
	s.t.Helper()
	slowest := time.Duration(0)
	for i := range 20 {
		text, begun := fmt.Sprint("message ", i), time.Now()
		speaker.send(websocket.MessageText, text)
		s.expect(text)
		slowest = max(slowest, time.Since(begun))
	}
	s.t.Logf("the slowest of 20 events came after %v", slowest)
}

func TestCurlReadsEventsAsTheyCome(t *testing.T) {
	for _, version := range []string{"--http1.1", "--http1.0"} {
		t.Run(version, func(t *testing.T) {
			chatd := startChatd(t)
			cmd := exec.Command("curl", "-sSN", version, "http://"+chatd.Addr+"/rooms/lobby/events")
			var trouble strings.Builder
			cmd.Stderr = &trouble
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatalf("%v: make tools installs it", err)
			}
			s := readStream(t, out)
			s.talk(chatd.dial(t))
			chatd.Stop()
			for range s.events { // up to the end
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, &trouble)
			}
		})
	}
}

// The configurations are those of ops, with the buffers that proxies have by default.
func TestEventsComeThroughProxiesAsTheyAreSaid(t *testing.T) {
	t.Parallel()
	type setup struct {
		start   func(*testing.T, *process, ...string) *front
		changes []string
	}
	setups := map[string]setup{
		// By default nginx asks by HTTP/1.0.
		"nginx over HTTP/1.0": {startNginx, []string{"proxy_http_version 1.1;", "proxy_http_version 1.0;"}},
	}
	for name, start := range fronts {
		setups[name] = setup{start: start}
	}
	for name, front := range setups {
		for _, path := range []string{"/", "/chat/"} {
			t.Run(name+" at "+path, func(t *testing.T) {
				chatd := startBehind(t)
				f := front.start(t, chatd, front.changes...)
				r, err := f.client(t, "127.0.0.2").Get("https://" + f.Addr + path + "rooms/lobby/events")
				if err != nil {
					t.Fatal(err)
				}
				defer r.Body.Close()
				if kind := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || kind != "text/event-stream" {
					t.Fatal(r.Status, r.Header)
				}
				readStream(t, r.Body).talk(chatd.dial(t))
			})
		}
	}
}

// Each comes before the next one is said, through whatever is in between.
func TestEventSourceGetsEventsAsTheyAreSaid(t *testing.T) {
	browser := startBrowser(t)
	for _, name := range []string{"nothing", "nginx", "HAProxy"} {
		t.Run(name, func(t *testing.T) {
			chatd := startBehind(t)
			url := "http://" + chatd.Addr + "/"
			if start := fronts[name]; start != nil {
				url = "https://" + start(t, chatd).Addr + "/"
			}
			b := openURL(t, browser, url, "open")
			speaker := chatd.dialRoom(t, "news")
			b.do(`(() => {
				window.heard = 0;
				window.slowest = 0;
				window.source = new EventSource('/rooms/news/events');
				source.addEventListener('say', (event) => {
					heard++;
					slowest = Math.max(slowest, Date.now() - JSON.parse(event.data).at);
				});
			})()`)
			b.wait(`source.readyState === EventSource.OPEN`)
			for i := range 10 {
				speaker.send(websocket.MessageText, "hi")
				b.wait(fmt.Sprint(`heard === `, i+1))
			}
			t.Logf("the slowest of 10 events came after %v ms", get[float64](b, `slowest`))
			b.do(`source.close()`)
		})
	}
}

func TestEventSourceComesBackByItselfAndMissesNothing(t *testing.T) {
	browser := startBrowser(t)
	chatd := startChatd(t)
	n := newNetwork(t, chatd)
	b := openURL(t, browser, "http://"+n.Addr+"/", "open")
	b.offline = true
	speaker := chatd.dialRoom(t, "news")
	b.do(`(() => {
		window.heard = [];
		window.source = new EventSource('/rooms/news/events');
		source.opened = 0;
		source.onopen = () => source.opened++;
		source.addEventListener('say', (event) => heard.push(JSON.parse(event.data).text));
		source.addEventListener('gap', () => heard.push('gap'));
	})()`)
	b.wait(`source.opened === 1`)
	want := ""
	for i := range 3 {
		text := fmt.Sprint("before the cut ", i)
		speaker.send(websocket.MessageText, text)
		want += text + "\n"
	}
	b.wait(fmt.Sprintf(`heard.join('\n') + '\n' === %q`, want))
	n.become(passes, swallows) // what is said now is lost on its way
	speaker.send(websocket.MessageText, "lost")
	n.reset()
	n.become(passes, passes)
	want += "lost\n"
	b.wait(`source.opened === 2`)
	speaker.send(websocket.MessageText, "after it")
	want += "after it\n"
	b.wait(fmt.Sprintf(`heard.join('\n') + '\n' === %q`, want))
	b.do(`source.close()`)
}

func TestEventSourceOfAnotherOriginHasToBeAllowed(t *testing.T) {
	browser := startBrowser(t)
	page := func() *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `<!doctype html><link rel=icon href=data:,><body data-state=loaded>`) // the test says if it did not come
		}))
		t.Cleanup(s.Close)
		return s
	}
	friend, stranger := page(), page()
	chatd := startChatd(t, "-allow-origin", friend.URL)
	for page, want := range map[*httptest.Server]string{friend: "open", stranger: "error"} {
		b := openURL(t, browser, page.URL, "loaded")
		b.offline = true // the stranger's console tells of it
		b.do(`(() => {
			window.source = new EventSource('http://` + chatd.Addr + `/rooms/lobby/events');
			source.onopen = () => source.state = 'open';
			source.onerror = () => source.state = 'error';
		})()`)
		b.wait(`source.state`)
		b.expect(`source.state === '` + want + `'`)
		b.do(`source.close()`)
	}
}

func TestChatAtTheAddressOfEventsListensAndComesBack(t *testing.T) {
	chatd := startChatd(t)
	n := newNetwork(t, chatd)
	speaker := chatd.dial(t)
	speaker.send(websocket.MessageText, "before")
	c := newPiped(t, "http://"+n.Addr+"/rooms/lobby/events")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	heard := func(want string) {
		t.Helper()
		if !c.out.Scan() || c.out.Text() != want {
			t.Fatalf("heard %q, want %q; %s", c.out.Text(), want, &c.errs)
		}
	}
	heard("before")
	n.become(passes, swallows)
	speaker.send(websocket.MessageText, "lost")
	n.reset()
	n.become(passes, passes)
	heard("lost")
	speaker.send(websocket.MessageText, "after")
	heard("after")
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v: %s", err, &c.errs)
	}
}
