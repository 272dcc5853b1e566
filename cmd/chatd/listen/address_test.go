package listen

import (
	"strings"
	"testing"
)

func address(t *testing.T, s string) Address {
	t.Helper()
	var a Address
	if err := a.UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAddressesAreTaken(t *testing.T) {
	for given, want := range map[string]string{
		"":                    "",
		":8080":               ":8080",
		":0":                  ":0",
		"127.0.0.1:8080":      "127.0.0.1:8080",
		"[::1]:8080":          "[::1]:8080",
		"[fe80::1%eth0]:8080": "[fe80::1%eth0]:8080",
		"my-host.example:080": "my-host.example:80",
		"localhost:http":      "localhost:80",
		"unix:/run/x.sock":    "unix:/run/x.sock",
		"unix:x.sock":         "unix:x.sock",
	} {
		if got := address(t, given).String(); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}

func TestAddressesWhereNothingCanListenAreRefusedWithWhatToWrite(t *testing.T) {
	for given, says := range map[string]string{
		"nonsense":                          "must be host:port, as",
		"127.0.0.1":                         "write 127.0.0.1:8080",
		"::1":                               "without brackets: write it as [::1]:8080",
		"::1:8080":                          "without brackets: write it as [::1]:8080",
		"a..b:8080":                         "neither an IP address nor a name",
		".a:8080":                           "neither an IP address nor a name",
		"a:b:c":                             "[::1]:8080",
		"[::1]8080":                         "[::1]:8080",
		"8080":                              "write :8080",
		"localhost:":                        `port ""`,
		":65536":                            `port "65536"`,
		":-1":                               `port "-1"`,
		":+80":                              `port "+80"`,
		":nonsense":                         `port "nonsense"`,
		"*:8080":                            "leave it out",
		"a b:8080":                          "one address",
		":8080,:8081":                       "one address",
		"http://localhost:8080":             "not a URL",
		"user@host:8080":                    "neither an IP address nor a name",
		"300.0.0.1:8080":                    "neither an IP address nor a name",
		"/run/x.sock":                       "unix: before a path",
		"unix:":                             "must be unix:/path",
		"unix:/run/":                        "must be unix:/path",
		"unix:@x":                           "abstract",
		"unix:/" + strings.Repeat("x", 107): "limit",
	} {
		var a Address
		if err := a.UnmarshalText([]byte(given)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %q, %v, want an error with %q", given, a, err, says)
		}
	}
}

func TestAddressesThatOverlapAreFound(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{":1", "127.0.0.1:1", true},
		{"[::1]:1", "0.0.0.0:1", true},
		{"LOCALHOST:1", "localhost:1", true},
		{"127.0.0.1:1", "127.0.0.2:1", false},
		{":1", ":2", false},
		{":0", ":0", false},
		{"", ":1", false},
		{"", "", false},
		{"unix:/x", "unix:/./x", true},
		{"unix:/x", "unix:/y", false},
		{"unix:/x", ":1", false},
	} {
		a, b := address(t, tt.a), address(t, tt.b)
		if a.Overlaps(b) != tt.want || b.Overlaps(a) != tt.want {
			t.Errorf("%q and %q: want %v", tt.a, tt.b, tt.want)
		}
	}
}
