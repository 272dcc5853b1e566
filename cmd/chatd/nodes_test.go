package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chatd/room/chattest"
	"chatd/room/order/natstest"
)

// programsToken is that of a program that publishes.
const programsToken = "a-token-of-a-program"

// program publishes by HTTP.
type program struct {
	t      *testing.T
	addr   string
	client *http.Client
}

func newProgram(t *testing.T, addr string) *program {
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return &program{t, addr, &http.Client{Transport: transport}}
}

// post publishes a text, which is its own nonce.
func (p *program) post(text string) (*http.Response, error) {
	body, err := json.Marshal(map[string]string{"text": text, "nonce": text})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(p.t.Context(), "POST", "http://"+p.addr+"/rooms/lobby/messages", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Authorization": {"Bearer " + programsToken}, "Content-Type": {"application/json"}}
	answer, err := p.client.Do(r)
	if err == nil {
		answer.Body.Close()
	}
	return answer, err
}

// publish has all texts published, one after the other, each again until that is known.
func (p *program) publish(texts ...string) error {
	for _, text := range texts {
		for {
			answer, err := p.post(text)
			if err == nil && (answer.StatusCode == http.StatusCreated || answer.StatusCode == http.StatusOK) {
				break
			}
			if err == nil && answer.StatusCode < http.StatusInternalServerError {
				return fmt.Errorf("%s: %s", text, answer.Status)
			}
			if p.t.Context().Err() != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond) // a node that is gone is soon not asked any more
		}
	}
	return nil
}

// texts are "PART, WHO 0" and so on.
func texts(part, who string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s, %s %d", part, who, i))
	}
	return all
}

// A page, a terminal and a program come by an address behind which a node is killed while
// all talk; after that it leads to another one, where another page was all along.
func TestClientsOfANodeThatIsKilledGoOnAtAnother(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	url := natstest.Start(t).URL
	secrets, tokens := writeFile(t, "secrets", "the same on all nodes\n"), writeFile(t, "tokens", programsToken+"\n")
	node := func() *process {
		return startChatd(t, "-nats", url, "-nats-partitions", "2", "-secret-file", secrets, "-api-token-file", tokens)
	}
	dies, lives := node(), node()
	door := newNetwork(t, dies)
	witness := dialChat(t, lives.Addr, chattest.Options{})
	stays := open(t, browser, lives, "open")
	moves := openURL(t, browser, "http://"+door.Addr+"/", "open")
	moves.offline = true
	terminal := startPiped(t, "-name", "Ana", "-json", door.Addr)
	program := newProgram(t, door.Addr)

	var said []*chattest.Event // in the order of the witness
	hear := func(n int) {
		t.Helper()
		for range n {
			said = append(said, witness.hear("say"))
		}
	}
	const each, typed = 10, 2
	talk := func(part string, meanwhile func()) {
		t.Helper()
		published := make(chan error, 1)
		go func() { published <- program.publish(texts(part, "program", each)...) }()
		fmt.Fprintln(terminal.in, strings.Join(texts(part, "terminal", each), "\n"))
		meanwhile()
		for i := range typed {
			moves.say(fmt.Sprintf("%s, page %d", part, i))
			stays.say(fmt.Sprintf("%s, another page %d", part, i))
		}
		if err := <-published; err != nil {
			t.Fatal(err)
		}
	}
	const all = 2*each + 2*typed
	fmt.Fprintln(terminal.in, "here") // it may take a while to start
	hear(1)
	talk("before", func() {})
	hear(all)
	talk("killed", func() {
		hear(3)
		dies.kill()
		door.lead(lives)
	})
	hear(all - 3)
	moves.waitForState("open")
	talk("after", func() {})
	hear(all)

	var heard []string
	authors := make(map[string]string) // their ids
	for i, e := range said {
		_, text, _ := strings.Cut(e.Said(), " ")
		heard = append(heard, text)
		if i > 0 && e.Seq <= said[i-1].Seq {
			t.Errorf("%q is number %d, behind %d", text, e.Seq, said[i-1].Seq)
		}
		_, who, ok := strings.Cut(text, ", ")
		if !ok {
			continue
		}
		who = strings.TrimRight(who, " 0123456789")
		if before := authors[who]; e.ID == "" || before != "" && before != e.ID {
			t.Errorf("the id of the %s is %q, and was %q", who, e.ID, before)
		}
		authors[who] = e.ID
	}
	once := slices.Compact(slices.Sorted(slices.Values(heard)))
	if len(once) != len(heard) || len(authors) != 4 {
		t.Errorf("heard %q of %v", heard, authors)
	}
	for _, b := range []*tab{stays, moves} {
		b.waitForLast(heard[len(heard)-1])
		b.waitForPending()
		if got := get[[]string](b, `lines.filter((line) => line.matches('.text')).map((line) => line.textContent)`); !slices.Equal(got, heard) {
			t.Errorf("a page shows\n%q\nand the witness heard\n%q", got, heard)
		}
	}
	terminal.in.Close()
	var got []string
	for terminal.out.Scan() {
		var e struct{ Type, Text, ID string }
		if err := json.Unmarshal(terminal.out.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case "say":
			got = append(got, e.Text)
		case "gap", "error":
			t.Errorf("the terminal is told %s", terminal.out.Bytes())
		}
	}
	if err := terminal.Wait(); err != nil {
		t.Errorf("%v: %s", err, &terminal.errs)
	}
	if !slices.Equal(got, heard) {
		t.Errorf("the terminal heard\n%q\nand the witness\n%q", got, heard)
	}
}

// NATS is not there when a node starts, and later goes away twice: for a moment, and for
// longer than a message waits.
func TestANodeWaitsForNATS(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	nats := natstest.Start(t)
	nats.Stop()
	tokens := writeFile(t, "tokens", programsToken+"\n")
	start := func() *process {
		return startChatd(t, "-nats", nats.URL, "-nats-partitions", "2", "-admin", "127.0.0.1:0", "-api-token-file", tokens)
	}
	chatd := start()
	ready := func(status int, says string) {
		t.Helper()
		soon(t, func() bool {
			got, body := chatd.admin("/readyz")
			return got == status && strings.Contains(body, says)
		})
	}
	ready(http.StatusServiceUnavailable, "NATS is not connected")
	nats.Restart()
	ready(http.StatusOK, "")

	b := open(t, browser, chatd, "open")
	b.call("Ben")
	terminal := startPiped(t, chatd.Addr)
	program := newProgram(t, chatd.Addr)
	b.say("before")
	b.waitForLast("before")
	terminal.hears("Ben: before")

	nats.Stop()
	b.say("a moment")
	b.waitForPending("sent: a moment")
	nats.Restart()
	b.wait(`pending.children.length === 0 || pending.firstChild.dataset.state === 'unsure'`)
	again := `[...pending.querySelectorAll('button')].find((b) => b.textContent === 'Send again')?.click()`
	b.do(again) // if this machine is so slow
	b.waitForLast("a moment")
	b.waitForPending()
	terminal.hears("Ben: a moment")

	nats.Kill()
	answered := make(chan string, 1)
	go func() {
		answer, err := program.post("not taken")
		if err != nil {
			answered <- err.Error()
			return
		}
		answered <- fmt.Sprintf("%d, later: %t, %s", answer.StatusCode, answer.Header.Get("Retry-After") != "", answer.Header.Get("Content-Type"))
	}()
	fmt.Fprintln(terminal.in, "in vain")
	b.say("longer")
	b.waitForPending("sent: longer")
	ready(http.StatusServiceUnavailable, "NATS is not connected")
	b.waitForPending("unsure: longer")
	b.expect(`pending.textContent.includes('Not delivered: no messages can be taken at present')`)
	if got, want := <-answered, "503, later: true, application/problem+json"; got != want {
		t.Errorf("the program is answered %s, not %s", got, want)
	}
	late := dialChat(t, chatd.Addr, chattest.Options{}) // there is still what was said
	for _, want := range []string{"before", "a moment"} {
		if got := late.hear("say").Said(); got != "text "+want {
			t.Errorf("who comes hears %q, not %q", got, want)
		}
	}
	b.expectLog("before", "a moment") // nobody was sent away
	nats.Restart()
	ready(http.StatusOK, "")
	b.do(again)
	b.waitForLast("longer")
	b.waitForPending()
	b.expectLog("before", "a moment", "longer")
	terminal.hears("Ben: longer")
	terminal.in.Close()
	if told := terminal.ends(1); !strings.Contains(told, "line 1: unavailable: no messages can be taken at present") {
		t.Errorf("the terminal is told %q", told)
	}

	b.offline = true
	last := late.hear("say")
	since := fmt.Sprintf("%s.%d.%d", late.Welcome.Epoch, last.Seq, last.At)
	chatd.Stop()
	chatd = start()
	c := dialChat(t, chatd.Addr, chattest.Options{Since: since})
	if !c.Welcome.Resumed || c.Welcome.Seq != last.Seq {
		t.Errorf("behind %s: %+v", since, c.Welcome)
	}
	c.says("after")
}
