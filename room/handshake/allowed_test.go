package handshake

import (
	"strings"
	"testing"
)

func TestOriginsThatCanMatchAreTakenAsBrowsersWriteThem(t *testing.T) {
	for given, want := range map[string]string{
		"https://a.example":       "https://a.example",
		" https://a.example ":     "https://a.example",
		"HTTPS://A.Example":       "https://a.example",
		"https://a.example:443":   "https://a.example",
		"http://a.example:80":     "http://a.example",
		"http://a.example:443":    "http://a.example:443",
		"https://a.example:08443": "https://a.example:8443",
		"https://a.example.":      "https://a.example.",
		"A.example":               "a.example",
		"a.example:443":           "a.example:443",
		"app:8080":                "app:8080",
		"http:8080":               "http:8080",
		"my_host-1":               "my_host-1",
		"127.0.0.1":               "127.0.0.1",
		"http://127.0.0.1:8080":   "http://127.0.0.1:8080",
		"http://[::1]:8080":       "http://[::1]:8080",
		"[0:0::01]":               "[::1]",
		"http://[::FFFF:1.2.3.4]": "http://[::ffff:102:304]",
		"capacitor://localhost":   "capacitor://localhost",
		"chrome-extension://abc":  "chrome-extension://abc",
		"file://":                 "file://",
		"null":                    "null",
		"*":                       "*",
	} {
		o, err := ParseOrigin(given)
		if err != nil || o.String() != want {
			t.Errorf("%q is %q, %v, want %q", given, o, err, want)
			continue
		}
		if again, err := ParseOrigin(want); err != nil || again != o {
			t.Errorf("%q is %+v, %v, the second time, and was %+v", want, again, err, o)
		}
	}
}

func TestOriginsThatCannotMatchAreRefusedWithWhatToWrite(t *testing.T) {
	for given, says := range map[string]string{
		"":                              "must not be empty",
		" ":                             "must not be empty",
		"https://a.example/":            "write https://a.example",
		"https://a.example:8443/chat":   "write https://a.example:8443",
		"https://a.example?x":           "write https://a.example",
		"https://a.example#x":           "write https://a.example",
		"a.example/":                    "write a.example",
		"https://a.example,https://b":   "is a list",
		"https://a.example, b":          "is a list",
		"https://a.example https://b":   "is a list",
		"a;b":                           "is a list",
		"https://*.a.example":           "is a pattern",
		"*.a.example":                   "is a pattern",
		"https://*":                     "is a pattern",
		"**":                            "is a pattern",
		".a.example":                    "begins with a dot",
		"https://.a.example":            "begins with a dot",
		"//a.example":                   "write https://a.example",
		"://a.example":                  "write https://a.example",
		"https:/a.example":              "write https://a.example",
		"https:a.example":               "write https://a.example",
		"https:":                        "lacks //",
		"htps://a.example":              `scheme "htps"`,
		"ftp://a.example":               `scheme "ftp"`,
		"file:///srv":                   `scheme "file"`,
		"wss://a.example":               "write https://a.example",
		"ws://a.example:81":             "write http://a.example:81",
		"https://me@a.example":          "write https://a.example",
		"https://me:secret@a.example:1": "write https://a.example:1",
		"https://":                      "no host",
		"https://:8443":                 "no host",
		"/":                             "no host",
		":8443":                         "no host",
		"https://a.example:":            "port",
		"https://a.example:0":           "port",
		"https://a.example:65536":       "port",
		"https://a.example:-1":          "port",
		"https://a.example:https":       "port",
		"a.example:x":                   "port",
		"::1":                           "write [::1]",
		"http://::1":                    "write [::1]",
		"http://[::1":                   "",
		"http://[fe80::1%eth0]":         "IPv6",
		"http://[1.2.3.4]":              "IPv6",
		"http://127.1":                  "IPv4",
		"http://256.0.0.1":              "IPv4",
		"http://1.2.3.4.":               "IPv4",
		"8080":                          "IPv4",
		"https://a..example":            "two dots",
		"https://bücher.example":        "xn--",
		"https://a%2eexample":           `'%'`,
		`https://a.example\`:            "write https://a.example",
		`"https://a.example"`:           `scheme "\"https"`,
		"https://a.example'":            `'\''`,
	} {
		o, err := ParseOrigin(given)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %q, %v, want an error with %q", given, o, err, says)
		}
	}
}
