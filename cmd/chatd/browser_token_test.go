package main

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestPageTakesTheTokenOfItsAddress(t *testing.T) {
	s := newScripted(t, func(_ int64, w http.ResponseWriter, r *http.Request) {
		m := welcome(w, r, nil)
		if m == nil {
			return
		}
		defer m.CloseNow()
		if r.FormValue("token") == "new" {
			m.serve(0)
		} else {
			m.Close(4401, "token_expired")
		}
	})
	b := openURL(t, startBrowser(t), s.URL+"/r/side#token=old", "stopped")
	b.expect(`location.href.endsWith('/r/side') && document.body.innerText.includes('4401: token_expired')`)
	b.do(`location.hash = 'token=new'`)
	b.waitForState("open")
	b.expect(`location.href.endsWith('/r/side')`)
	run(b, chromedp.Navigate(s.URL+"/r/other")) // the tab keeps it
	b.waitForState("open")
}
