package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/chromedp"
)

// accessible are the nodes of the page's accessibility tree that assistive technology
// is told of, as "ROLE NAME".
func (b *tab) accessible() []string {
	b.t.Helper()
	tree := run(b, func(ctx context.Context, _ *chromedp.Target) (accessibility.GetFullAXTreeResult, error) {
		return chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	text := func(v *accessibility.Value) string {
		if v == nil {
			return ""
		}
		var s string
		if err := json.Unmarshal(v.Value, &s); err != nil {
			b.t.Fatal(err)
		}
		return s
	}
	var nodes []string
	for _, node := range tree.Nodes {
		if !node.Ignored {
			nodes = append(nodes, text(node.Role)+" "+text(node.Name))
		}
	}
	return nodes
}

// expectNames fails the test if a control, a region or a picture has no name, or if any
// of want is not there.
func (b *tab) expectNames(want ...string) {
	b.t.Helper()
	nodes := b.accessible()
	for _, node := range nodes {
		switch role, name, _ := strings.Cut(node, " "); role {
		case "button", "link", "textbox", "combobox", "checkbox", "img", "image", "dialog", "navigation", "log", "group", "heading", "RootWebArea", "form":
			if name == "" {
				b.t.Errorf("a %s has no name", role)
			}
		}
	}
	for _, node := range want {
		if !slices.Contains(nodes, node) {
			b.t.Errorf("there is no %s in %q", node, nodes)
		}
	}
}

// focus presses a key, and returns what has the focus then.
func (b *tab) focus(key string, code int64, modifier chromedp.Modifier) string {
	b.t.Helper()
	b.press(key, code, modifier)
	return get[string](b, `((element) => element === document.body ? '' : element.ariaLabel || element.labels?.[0]?.textContent || element.innerText || element.id)(document.activeElement)`)
}

// tabTo presses the Tab key until what has a name has the focus, and returns all names on the way.
func (b *tab) tabTo(name string) (way []string) {
	b.t.Helper()
	for range 40 {
		way = append(way, b.focus("Tab", 9, chromedp.ModifierNone))
		if way[len(way)-1] == name {
			return way
		}
	}
	b.t.Fatalf("Tab does not reach %q, but %q", name, way)
	return nil
}

// enter presses Enter on what has the focus.
func (b *tab) enter() {
	b.t.Helper()
	run(b, chromedp.KeyEvent("\r"))
}

func TestPageIsUsableByKeyboardAndScreenReader(t *testing.T) {
	browser, chatd := startBrowser(t), startChatd(t)
	b := open(t, browser, chatd, "open", `navigator.clipboard.writeText = () => Promise.resolve()`)
	b.wait(`!nameless.hidden && members.textContent === '1 here'`)
	b.expectNames("RootWebArea lobby – chatd", "navigation Rooms", "button lobby", "combobox Join a room", "button Join", "heading lobby",
		"button 1 here", "button Copy the link to this room", "StaticText Connected", "log Messages in lobby", "textbox Message", "button Send", "main ",
		"image Messages a second in the last minute: now 0, at most 0")

	// All there is, in the order of what one sees.
	b.do(`rooms.querySelector('.open').focus()`)
	want := []string{"Join a room", "Join", "1 here", "Copy the link to this room", "Messages in lobby", "Choose a name", "Message", "Send", "Choose a name"}
	if got := append(b.tabTo("Send"), b.focus("Tab", 9, chromedp.ModifierNone)); !slices.Equal(got, want) {
		t.Errorf("the order is %q, want %q", got, want)
	}
	b.expect(`document.activeElement.id === 'choose'`)
	b.enter()
	b.wait(`naming.open && document.activeElement.id === 'name'`)
	b.expectNames("dialog What should others call you?", "textbox Your name", "button Save", "button Cancel")
	run(b, chromedp.KeyEvent("Ana\r"))
	b.wait(`!naming.open && document.activeElement === input`)

	run(b, chromedp.KeyEvent("hello\r"))
	b.waitForLast("hello")
	b.expectNames("StaticText hello", "StaticText Ana", "button Your name: Ana. Change it")

	b.tabTo("Join a room")
	run(b, chromedp.KeyEvent("side\r"))
	b.waitForRoom("side")
	b.tabTo("lobby")
	b.expectNames("button side", "button Leave side")
	if got := b.focus("Tab", 9, chromedp.ModifierNone); got != "Leave lobby" {
		t.Errorf("behind a room is %q", got)
	}
	if got := b.focus("Tab", 9, chromedp.ModifierShift); got != "lobby" {
		t.Errorf("before it is %q", got)
	}
	b.enter()
	b.waitForRoom("lobby")
	b.tabTo("Leave side")
	b.enter()
	b.wait(`rooms.children.length === 1 && document.activeElement === input`)

	b.tabTo("1 here")
	b.enter()
	b.wait(`who.matches(':popover-open') && document.activeElement.ariaLabel === 'Close' && who.querySelector('.name') !== null`)
	b.expectNames("dialog Who is here", "button Close", "list Who is here")
	b.press("Escape", 27, chromedp.ModifierNone)
	b.wait(`!who.matches(':popover-open') && document.activeElement.id === 'members'`)
	b.tabTo("Copy the link to this room")
	b.enter()
	b.wait(`notice.textContent === 'The link is copied.'`)
	b.expect(`notice.role === 'status' || notice.getAttribute('role') === 'status'`)

	// The log is scrolled by the keys, and End goes to the newest.
	chatd.dial(t).flood("line", 60)
	b.waitForLast("line 60")
	b.tabTo("Messages in lobby")
	b.press("Home", 36, chromedp.ModifierNone)
	b.wait(`!jump.hidden && log.scrollTop === 0`)
	b.expectNames("button Newest ")
	b.press("End", 35, chromedp.ModifierNone)
	b.wait(`jump.hidden && document.activeElement === log`)

	// What comes one by one is announced, and a flood is not.
	b.wait(`log.getAttribute('aria-live') === 'off'`)

	// On a phone the rooms are behind a button.
	b.emulate("dark", 360, 640, chromedp.EmulateMobile)
	b.wait(`getComputedStyle(side).display === 'none'`)
	b.tabTo("Rooms")
	b.enter()
	b.wait(`side.matches(':popover-open')`)
	b.expectNames("navigation Rooms", "button Close", "combobox Join a room")
	b.tabTo("Join a room")
	run(b, chromedp.KeyEvent("phone\r"))
	b.waitForRoom("phone")
	b.wait(`!side.matches(':popover-open')`)
	b.expect(`document.documentElement.scrollWidth <= innerWidth`)
}

// contrasts finds the texts that are seen, and returns those that stand out less than
// WCAG 2.2 asks for (1.4.3).
const contrasts = `(() => {
	const pixel = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
	const rgba = (color) => {
		pixel.clearRect(0, 0, 1, 1);
		pixel.fillStyle = color;
		pixel.fillRect(0, 0, 1, 1);
		return [...pixel.getImageData(0, 0, 1, 1).data];
	};
	const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => (c * a + below[i] * (255 - a)) / 255);
	const behind = (element) => {
		if (!element) return [255, 255, 255];
		const color = rgba(getComputedStyle(element).backgroundColor);
		return color[3] === 255 ? color.slice(0, 3) : over(color, behind(element.parentElement));
	};
	const luminance = (rgb) => rgb.map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const contrast = (a, b) => (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);
	const low = [];
	let measured = 0;
	const measure = (element, color, what) => {
		const below = behind(element);
		const ratio = contrast(over(rgba(color), below), below);
		measured++;
		if (ratio < 4.5) low.push(what + ': ' + ratio.toFixed(2) + ', ' + color);
	};
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (texts.nextNode()) {
		const { parentElement: element, data } = texts.currentNode;
		if (!data.trim() || !element.checkVisibility({ visibilityProperty: true }) || element.closest('.spoken, template, noscript, datalist')) continue;
		measure(element, getComputedStyle(element).color, data);
	}
	for (const field of document.querySelectorAll('[placeholder]')) measure(field, getComputedStyle(field, '::placeholder').color, 'placeholder');
	return measured < 15 ? ['only ' + measured + ' texts were seen'] : low;
})()`

func TestContrastIsEnoughEverywhere(t *testing.T) {
	browser := startBrowser(t)
	s := newScripted(t, func(n int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, event{"epoch": fmt.Sprintf("0000000%d", n), "resumed": false})
		if m == nil {
			return
		}
		defer m.CloseNow()
		if n == 1 {
			m.hear()
			return
		}
		m.tell(event{"type": "gap", "room": m.room, "from": 1, "to": 0, "why": "epoch"})
		m.tell(event{"type": "say", "room": m.room, "seq": 1, "at": 1e12, "id": "a", "name": "Ana", "text": "https://example.org"})
		m.tell(event{"type": "say", "room": m.room, "seq": 2, "at": 1e12, "id": "", "data": "AAAA"})
		refused := m.hear()
		m.tell(event{"type": "error", "code": "not_allowed", "message": "no", "nonce": refused["nonce"]})
		m.serve(2)
	})
	b := openURL(t, browser, s.URL+"/", "open")
	b.offline = true
	b.say("hangs up")
	b.waitForPending("unsure: hangs up")
	b.wait(`lines.length >= 4`)
	b.say("is refused")
	b.waitForPending("unsure: hangs up", "refused: is refused")
	b.call("Ana")
	b.say("hello")
	b.waitForLast("hello")
	// All people's colours.
	b.do(`(() => {
		const message = log.querySelector('.painted');
		for (let hue = 0; hue < 360; hue += 5) {
			const copy = message.cloneNode(true);
			copy.style.setProperty('--hue', hue);
			message.after(copy);
		}
	})()`)
	b.do(`rooms.querySelector('.badge').textContent = '3 new', flood.textContent = 'a sample', jump.hidden = false, unseen.textContent = '3 new messages', hint.textContent = 'too long'`)
	check := func(when string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			b.emulate(scheme, 1000, 640)
			if low := get[[]string](b, contrasts); len(low) > 0 {
				t.Errorf("%s, %s: %q", when, scheme, low)
			}
		}
	}
	check("with messages of all kinds")
	b.do(`members.hidden = false, members.textContent = '2 here', who.showPopover()`)
	b.wait(`who.querySelector('.disc') !== null`)
	check("who is here")
	b.do(`who.hidePopover(), me.click()`)
	b.do(`document.getElementById('name').value = 'a\u202eb', naming.querySelector('form').requestSubmit()`)
	check("a name that is not taken")
	b.do(`naming.close()`)
	for _, state := range []string{"retrying", "silent", "stopped"} {
		b.do(fmt.Sprintf(`document.body.dataset.state = '%s', now.hidden = false`, state))
		check(state)
	}
}
