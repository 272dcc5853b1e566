package proxy

import (
	"net/netip"
	"strings"
	"testing"

	"chatd/room/fuzzcorpus"
)

func TestClientIsTheNearestThatIsNotTrusted(t *testing.T) {
	const by = "10.0.0.1:4711" // the peer, which is trusted
	for _, tt := range []struct{ name, fields, want string }{
		{"nothing is said", "", by},
		{"one client", "X-Forwarded-For: 203.0.113.7", "203.0.113.7:0"},
		{"names in any case", "x-forwarded-FOR: 203.0.113.7", "203.0.113.7:0"},
		{"what the client invented before its proxy", "X-Forwarded-For: 198.51.100.1, 203.0.113.7", "203.0.113.7:0"},
		{"a chain of proxies", "X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.0.0.3, 10.0.0.2", "203.0.113.7:0"},
		{"a proxy that is not trusted in the chain", "X-Forwarded-For: 203.0.113.7, 192.0.2.9, 10.0.0.2", "192.0.2.9:0"},
		{"several lines are one list", "X-Forwarded-For: 198.51.100.1\r\nAccept: */*\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.0.0.2", "203.0.113.7:0"},
		{"all are trusted: the farthest", "X-Forwarded-For: 10.0.0.9, 10.0.0.2", "10.0.0.9:0"},
		{"empty elements", "X-Forwarded-For: ,203.0.113.7,, ,", "203.0.113.7:0"},
		{"a list of nothing", "X-Forwarded-For: , ,", by},
		{"unknown", "X-Forwarded-For: unknown", by},
		{"unknown to the one before", "X-Forwarded-For: 203.0.113.7, unknown, 10.0.0.2", "10.0.0.2:0"},
		{"nonsense at the end", "X-Forwarded-For: 203.0.113.7, ' OR 1=1", by},
		{"nonsense at the beginning", "X-Forwarded-For: nonsense, 203.0.113.7", "203.0.113.7:0"},
		{"with a port", "X-Forwarded-For: 203.0.113.7:55000", "203.0.113.7:55000"},
		{"IPv6", "X-Forwarded-For: 2001:db8:1::7", "[2001:db8:1::7]:0"},
		{"IPv6 with a port", "X-Forwarded-For: [2001:db8:1::7]:55000", "[2001:db8:1::7]:55000"},
		{"IPv6 in brackets", "X-Forwarded-For: [2001:db8:1::7]", "[2001:db8:1::7]:0"},
		{"IPv4 in IPv6", "X-Forwarded-For: ::ffff:203.0.113.7", "203.0.113.7:0"},
		{"trusted IPv4 in IPv6", "X-Forwarded-For: 203.0.113.7, ::ffff:10.0.0.2", "203.0.113.7:0"},
		{"IPv6 with a zone", "X-Forwarded-For: fe80::1%eth0", by},
		{"IPv4 in brackets", "X-Forwarded-For: [203.0.113.7]", by},
		{"port that is none", "X-Forwarded-For: 203.0.113.7:http", by},
		{"port that is too large", "X-Forwarded-For: 203.0.113.7:65536", by},
		{"bracket that is left open", "X-Forwarded-For: [2001:db8:1::7", by},
		{"something behind the bracket", "X-Forwarded-For: [2001:db8:1::7]x", by},
		{"no field of that name", "X-Forwarded-For-It: 203.0.113.7\r\nX: X-Forwarded-For: 203.0.113.7", by},

		{"RFC 7239", "Forwarded: for=203.0.113.7", "203.0.113.7:0"},
		{"RFC 7239 with all there is", `forwarded: By=_proxy;FOR="[2001:db8:1::7]:4711" ; proto=https;host="chat.example", for=10.0.0.2`, "[2001:db8:1::7]:4711"},
		{"RFC 7239 several lines", "Forwarded: for=198.51.100.1\r\nForwarded: for=203.0.113.7, for=10.0.0.2", "203.0.113.7:0"},
		{"RFC 7239 escapes", `Forwarded: for="203\.0.113.\7:1"`, "203.0.113.7:1"},
		{"RFC 7239 hidden", "Forwarded: for=198.51.100.1, for=_mdn", by},
		{"RFC 7239 hidden behind a trusted one", "Forwarded: for=_mdn, for=10.0.0.2:80", "10.0.0.2:80"},
		{"RFC 7239 unknown", `Forwarded: for="unknown"`, by},
		{"RFC 7239 hidden port", `Forwarded: for="203.0.113.7:_obf"`, "203.0.113.7:0"},
		{"RFC 7239 IPv6 without its quotes", "Forwarded: for=[2001:db8:1::7]:4711;proto=https", "[2001:db8:1::7]:4711"},
		{"RFC 7239 quoted separators", `Forwarded: host="a,b;for=198.51.100.1";for=203.0.113.7`, "203.0.113.7:0"},
		{"RFC 7239 one that says not for whom", "Forwarded: for=203.0.113.7, proto=https", by},
		{"RFC 7239 empty elements", "Forwarded: ,;, for=203.0.113.7 ,", "203.0.113.7:0"},
		{"RFC 7239 twice for", "Forwarded: for=198.51.100.1;for=203.0.113.7", by},
		{"RFC 7239 no value", "Forwarded: for=", by},
		{"RFC 7239 no parameter", "Forwarded: for", by},
		{"RFC 7239 nothing", "Forwarded:", by},
		{"RFC 7239 something behind the value", "Forwarded: for=198.51.100.1 x, for=203.0.113.7", by},
		{"RFC 7239 a quote left open, and the proxy's behind it", `Forwarded: for=198.51.100.1;x=", for=203.0.113.7`, by},
		{"RFC 7239 a quote left open, and the proxy's quoted one behind it", `Forwarded: for=198.51.100.1;x=", for="[2001:db8:1::7]:4711"`, by},
		{"RFC 7239 a quote left open in another line", "Forwarded: for=\"198.51.100.1\r\nForwarded: for=203.0.113.7", "203.0.113.7:0"},
		{"RFC 7239 escape at the end", `Forwarded: for="203.0.113.7\`, by},

		{"both agree", "X-Forwarded-For: 203.0.113.7\r\nForwarded: for=\"203.0.113.7:4711\"", "203.0.113.7:4711"},
		{"both, one of them invented", "Forwarded: for=198.51.100.1\r\nX-Forwarded-For: 203.0.113.7", by},
		{"both, one of them unknown", "Forwarded: for=unknown\r\nX-Forwarded-For: 203.0.113.7", by},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := trust(t, "10.0.0.0/8")
			for _, end := range []string{"\r\n", "\n"} {
				fields := tt.fields
				if fields != "" {
					fields += "\r\n"
				}
				head := strings.ReplaceAll("GET /ws?Forwarded:for=192.0.2.1 HTTP/1.1\r\nHost: x\r\n"+fields+"\r\n", "\r\n", end)
				if got := all.Client([]byte(head), netip.MustParseAddrPort(by)).String(); got != tt.want {
					t.Errorf("%q: %s, want %s", head, got, tt.want)
				}
			}
		})
	}
}

// The list is read as it comes; the rule is told from its end.
func FuzzClient(f *testing.F) {
	fuzzcorpus.Add(f)
	f.Add("203.0.113.7, 10.0.0.2", "for=203.0.113.7")
	f.Add("1.1.1.1,unknown,10.0.0.2,10.0.0.3", `for="[2001:db8::1]:1";x=",", for=_a`)
	by := netip.MustParseAddrPort("10.0.0.1:1")
	f.Fuzz(func(t *testing.T, forwardedFor, forwarded string) {
		all := trust(t, "10.0.0.0/8")
		line := func(name, value string) []byte {
			return []byte("GET /ws HTTP/1.1\r\n" + name + ": " + strings.NewReplacer("\n", "", "\r", "").Replace(value) + "\r\n\r\n")
		}
		want, items := by, strings.Split(strings.NewReplacer("\n", "", "\r", "").Replace(forwardedFor), ",")
		for i := len(items) - 1; i >= 0 && all.Has(want.Addr()); i-- {
			item := strings.TrimSpace(items[i])
			if item == "" {
				continue
			}
			hop := parseNode(item)
			if !hop.IsValid() {
				break
			}
			want = hop
		}
		if got := all.Client(line("X-Forwarded-For", forwardedFor), by); got != want {
			t.Errorf("%q: %v, want %v", forwardedFor, got, want)
		}
		// Whatever a client says, in a line of its own, its proxy's is what counts.
		head := append(line("Forwarded", forwarded), "Forwarded: for=203.0.113.7\r\n\r\n"...)
		if got := all.Client(head, by); got.String() != "203.0.113.7:0" {
			t.Errorf("%q: %v", forwarded, got)
		}
	})
}
