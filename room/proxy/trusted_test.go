package proxy

import (
	"net/netip"
	"strings"
	"testing"
)

// trust makes a Trusted of a list.
func trust(t testing.TB, list string) *Trusted {
	t.Helper()
	var all Trusted
	if err := all.Set(list); err != nil {
		t.Fatal(err)
	}
	return &all
}

func TestTrustedAreNetworksAndAddresses(t *testing.T) {
	all := trust(t, " 10.0.0.0/8,192.0.2.1 , 2001:db8::/32,2001:db8:ffff::1, unix ")
	for addr, want := range map[string]bool{
		"10.255.0.1": true, "11.0.0.1": false, "192.0.2.1": true, "192.0.2.2": false,
		"2001:db8:1::1": true, "2001:db9::1": false,
	} {
		if got := all.Has(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is trusted: %v, want %v", addr, got, want)
		}
	}
	if !all.Unix || all.None() {
		t.Error("Unix sockets' peers are not")
	}
	if s := all.String(); s != "unix,10.0.0.0/8,192.0.2.1/32,2001:db8::/32,2001:db8:ffff::1/128" {
		t.Errorf("they are %s", s)
	}
	if none := new(Trusted); !none.None() || none.Has(netip.MustParseAddr("10.0.0.1")) {
		t.Error("somebody is trusted before anybody was named")
	}
}

func TestNetworksThatCanNotBeMeantAreRefusedWithWhatToWrite(t *testing.T) {
	for list, says := range map[string]string{
		"":                    "empty",
		"10.0.0.0/8,,unix":    "empty",
		"10.0.0.0/8;unix":     "neither",
		"10.*":                "neither",
		"localhost":           "neither",
		"Unix":                "neither",
		"10.0.0.0/33":         "neither",
		"10.0.0.0/255.0.0.0":  "neither",
		"10.0.0.1:8080":       "neither",
		"[2001:db8::1]":       "neither",
		"10.0.0.1/8":          "write 10.0.0.0/8",
		"2001:db8::1/32":      "write 2001:db8::/32",
		"::ffff:10.0.0.1":     "write 10.0.0.1/32",
		"::ffff:10.0.0.1/104": "write 10.0.0.0/8",
		"fe80::1%eth0":        "write fe80::1",
	} {
		if err := new(Trusted).Set(list); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want an error with %q", list, err, says)
		}
	}
}
