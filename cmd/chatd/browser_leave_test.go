package main

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A page that was left stays in the browser, for its back button, and so would its
// connection: the one that the next page may have from this address.
func TestPageThatIsLeftGivesUpItsConnection(t *testing.T) {
	p := startChatd(t, "-max-conns-per-ip", "1")
	b := open(t, startBrowser(t), p, "open")
	for range 3 {
		run(b, chromedp.Reload())
		b.waitForState("open")
	}
	b.say("before")
	b.waitForLast("before")
	run(b, chromedp.Navigate("http://"+p.Addr+"/?again"))
	b.waitForState("open")
	b.offline = true // it comes back while the other one goes
	run(b, chromedp.Evaluate[any](`void setTimeout(() => history.back())`))
	for back := false; !back; { // a page that goes answers late, or never
		ctx, cancel := context.WithTimeout(b.ctx, time.Second)
		back, _ = chromedp.Run(ctx, chromedp.Evaluate[bool](`location.search === ''`))
		cancel()
	}
	b.waitForState("open")
	b.wait(`log.textContent.includes("before")`) // it was kept
}
