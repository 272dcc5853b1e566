package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"
)

// What is known of clients stays known: whom a proxy speaks for, how many there are of
// one address, who is banned, what tokens say.
func TestWhatIsKnownOfClientsStaysOverUpgrades(t *testing.T) {
	t.Parallel()
	p := startChatd(t, "-proxy-protocol", "-trusted-proxies", "127.0.0.0/8", "-max-conns-per-ip", "2", "-admin", "127.0.0.1:0",
		"-handshake-timeout", "80s", "-api-token-file", writeFile(t, "tokens", aPublisherToken+"\n"), "-jwt-key-file", writeFile(t, "key", aTokenSecret))
	header := func(addr string) string { return "PROXY TCP4 " + addr + " 10.0.0.1 5000 80\r\n" }
	bearer := func(subject string, valid time.Duration) string {
		return "Authorization: Bearer " + signToken(t, aTokenSecret, valid, jwt.MapClaims{"sub": subject, "name": subject})
	}
	half := p.midway(t, false)
	endHalf := half.begin(header("192.0.2.1") + opening("a", bearer("half", time.Hour)))
	introduced := p.midway(t, false)
	introduced.say(header("192.0.2.2"))
	endIntroduced := introduced.begin(opening("a", bearer("introduced", time.Hour)))
	var members []*midway
	for range 2 {
		m := p.midway(t, false)
		m.say(header("192.0.2.3"))
		m.join("b", "Sec-WebSocket-Protocol: chat.v1", bearer("member", time.Hour))
		m.heard(`"welcome"`, `"member"`)
		members = append(members, m)
	}
	banned := p.midway(t, false)
	banned.say(header("192.0.2.4"))
	banned.join("b", bearer("banned", time.Hour))
	program := p.midway(t, false)
	program.say(header("192.0.2.5") + "DELETE /rooms/b/members/banned HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + aPublisherToken + "\r\n\r\n")
	program.status(http.StatusNoContent)
	program.Close()
	for banned.next().Header.OpCode != ws.OpClose {
	}
	known := func() (all []string) {
		for _, c := range p.table().Connections {
			all = append(all, strings.Join(append(c.Rooms, c.Source, c.ID, c.Name), " "))
		}
		slices.Sort(all)
		return all
	}
	banned.Close()
	soon(t, func() bool { return len(known()) == 4 })
	before := known()
	for range 2 {
		p.asks(0)
		if after := known(); !slices.Equal(before, after) {
			t.Errorf("%q, and before\n%q", after, before)
		}
	}
	for name, client := range map[string]struct {
		addr   string
		status int
	}{"banned": {"192.0.2.5", http.StatusForbidden}, "third": {"192.0.2.3", http.StatusTooManyRequests}, "other": {"192.0.2.6", http.StatusSwitchingProtocols}} {
		m := p.midway(t, false)
		m.say(header(client.addr) + opening("b", bearer(name, time.Hour)))
		m.status(client.status)
	}
	endHalf()
	half.status(http.StatusSwitchingProtocols)
	endIntroduced()
	introduced.status(http.StatusSwitchingProtocols)
	members[0].say(text(`{"type":"say","text":"hi"}`))
	for _, m := range members {
		m.heard(`"hi"`, `"member"`)
	}
	for _, m := range members {
		m.Close()
	}
	soon(t, func() bool { // then there is room for others of the address
		m := p.midway(t, false)
		m.say(header("192.0.2.3") + opening("b", bearer("again", time.Hour)))
		r, err := http.ReadResponse(m.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.StatusCode == http.StatusSwitchingProtocols
	})
}

// What is limited stays so, and who is there is sent away as ever in the end.
func TestLimitsAndTheDrainAreAsEverAfterUpgrades(t *testing.T) {
	t.Parallel()
	p := startChatd(t, "-max-conns", "3", "-admin", "127.0.0.1:0", "-history", "10")
	var all []*midway
	for range 3 {
		m := p.midway(t, false)
		m.join("a", "Sec-WebSocket-Protocol: chat.v1")
		m.heard(`"welcome"`)
		all = append(all, m)
	}
	all[0].say(text(`{"type":"say","text":"said","nonce":"1"}`))
	all[0].heard(`"said"`)
	p.asks(0)
	if n := metric(t, p.Admin, "chatd_connections"); n != 3 {
		t.Errorf("%d connections", n)
	}
	if n := metric(t, p.Admin, "chatd_members"); n != 3 {
		t.Errorf("%d members", n)
	}
	fourth := p.midway(t, false)
	fourth.say(opening("a", "Sec-WebSocket-Protocol: chat.v1"))
	p.tells(1, "connection limit reached")
	all[2].say(frame(ws.OpClose, true, "\x03\xe8"))
	for all[2].next().Header.OpCode != ws.OpClose {
	}
	all[2].Close()
	fourth.status(http.StatusSwitchingProtocols)
	fourth.heard(`"said"`)
	all[0].say(text(`{"type":"say","text":"said","nonce":"1"}`)) // once is enough
	all[0].say(text(`{"type":"say","text":"last"}`))
	fourth.heard(`"last"`, `"seq":2,`)
	p.asks(0)
	p.Stop()
	for _, m := range []*midway{all[0], all[1], fourth} {
		f := m.next()
		for f.Header.OpCode != ws.OpClose {
			f = m.next()
		}
		if code, _ := ws.ParseCloseFrameData(f.Payload); code != ws.StatusGoingAway {
			t.Errorf("sent away with %d", code)
		}
	}
}
