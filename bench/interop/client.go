package interop

// Client is a WebSocket library that others wrote, or a browser.
type Client struct {
	Name    string
	Version []string // a command that prints the version, and fails where the client is missing
	Command []string // {clients} and {bin} stand for directories
	Flags   []string // of chatd
	Deflate Deflate
	// Fragments: a program can send a message in several frames.
	Fragments bool
	// Secure: it can be told which certificate to believe, by a file that the environment
	// names.
	Secure bool
	// Known is a fault of the client's own when permessage-deflate is agreed on.
	Known string
}

// Deflate is what a program can say about permessage-deflate.
type Deflate int

const (
	Never  Deflate = iota // the library has none
	Choice                // offered if the program wants it
	Always                // offered, and the program is not asked
)

// has reports whether the client can be run in a mode.
func (c *Client) has(m Mode) bool {
	switch {
	case m == Secure:
		return c.Secure
	case c.Deflate == Never:
		return m == Plain
	case c.Deflate == Always:
		return m != Plain
	}
	return true
}

// Clients are all of them.
var Clients = []*Client{
	python("websockets", "websockets_client", Choice, true),
	python("aiohttp", "aiohttp_client", Choice, false),
	python("tornado", "tornado_client", Choice, false),
	python("websocket-client", "websocket_client", Never, true),
	python("autobahn", "autobahn_client", Choice, true),
	python("ws4py", "ws4py_client", Never, true),
	{
		Name: "Qt (PyQt5)", Deflate: Never, Secure: true,
		Version: []string{"/usr/bin/python3", "-c", "from PyQt5 import QtCore, QtWebSockets; print(QtCore.qVersion())"},
		Command: []string{"/usr/bin/python3", "{clients}/python/qt_client.py"},
	},
	{
		Name: "libsoup 3", Deflate: Choice, Secure: true,
		Version: []string{"/usr/bin/python3", "-c", "import gi; gi.require_version('Soup', '3.0'); from gi.repository import Soup as s; print('%d.%d.%d' % (s.get_major_version(), s.get_minor_version(), s.get_micro_version()))"},
		Command: []string{"/usr/bin/python3", "{clients}/python/soup_client.py"},
	},
	node("ws", Choice, true),
	node("undici", Always, false),
	node("faye-websocket", Never, false),
	golang("gorilla", "github.com/gorilla/websocket", Choice, true),
	golang("coder", "github.com/coder/websocket", Choice, true),
	golang("nhooyr", "nhooyr.io/websocket", Choice, true),
	golang("gobwas", "github.com/gobwas/ws", Choice, true),
	golang("gws", "github.com/lxzan/gws", Choice, false),
	golang("xnet", "golang.org/x/net/websocket", Never, false),
	{
		Name: "java.net.http", Deflate: Never, Fragments: true, Secure: true,
		Version: number("java --version"),
		Command: []string{"java", "-Dfile.encoding=UTF-8", "{clients}/java/Client.java"},
	},
	{
		Name: "Mojolicious (Perl)", Deflate: Choice, Fragments: true, Secure: true,
		Version: []string{"/usr/bin/perl", "-MMojolicious", "-e", "print Mojolicious->VERSION"},
		Command: []string{"/usr/bin/perl", "{clients}/perl/mojo.pl"},
	},
	{
		Name: "AnyEvent::WebSocket::Client (Perl)", Deflate: Never, Secure: true,
		Version: []string{"/usr/bin/perl", "-MAnyEvent::WebSocket::Client", "-e", "print AnyEvent::WebSocket::Client->VERSION"},
		Command: []string{"/usr/bin/perl", "{clients}/perl/anyevent.pl"},
	},
	{
		Name: "faye-websocket (Ruby)", Deflate: Never, Secure: true,
		Version: gem("faye-websocket"),
		Command: []string{"/usr/bin/ruby", "{clients}/ruby/faye.rb"},
	},
	{
		Name: "websocket-driver (Ruby)", Deflate: Never, Secure: true,
		Version: gem("websocket-driver"),
		Command: []string{"/usr/bin/ruby", "{clients}/ruby/driver.rb"},
	},
	native("Boost.Beast", "beast", Choice, true, ""),
	native("websocketpp", "websocketpp", Choice, false, ""),
	native("libwebsockets", "libwebsockets", Choice, true,
		"spins at an uncompressed message on a connection with permessage-deflate"),
	browser("Chromium", "chromium"),
	browser("Firefox", "firefox-esr"),
}

func python(name, file string, d Deflate, fragments bool) *Client {
	return &Client{
		Name: name + " (Python)", Deflate: d, Fragments: fragments, Secure: true,
		Version: []string{"/usr/bin/python3", "-c", "import importlib.metadata as m; print(m.version('" + name + "'))"},
		Command: []string{"/usr/bin/python3", "{clients}/python/" + file + ".py"},
	}
}

func node(name string, d Deflate, fragments bool) *Client {
	return &Client{
		Name: name + " (Node.js)", Deflate: d, Fragments: fragments, Secure: true,
		Version: []string{"node", "-p", "require('" + name + "/package.json').version"},
		Command: []string{"node", "{clients}/node/" + name + ".js"},
	}
}

func golang(name, module string, d Deflate, fragments bool) *Client {
	return &Client{
		Name: module + " (Go)", Deflate: d, Fragments: fragments, Secure: true,
		Version: []string{"{bin}/goclient", name, "version"},
		Command: []string{"{bin}/goclient", name},
	}
}

// number is the first number with dots, or the like, that a command prints.
func number(command string) []string {
	return []string{"sh", "-c", command + " | grep -oE '[0-9]+([._][0-9]+)+' | head -n 1"}
}

func gem(name string) []string {
	return []string{"/usr/bin/ruby", "-e", "puts Gem::Specification.find_by_name('" + name + "').version"}
}

func native(name, program string, d Deflate, fragments bool, known string) *Client {
	return &Client{
		Name: name + " (C, C++)", Deflate: d, Fragments: fragments, Secure: true, Known: known,
		Version: number("{bin}/" + program + " version"),
		Command: []string{"{bin}/" + program},
	}
}

// browser is one whose page comes from another origin than the server.
func browser(name, program string) *Client {
	return &Client{
		Name: name, Deflate: Always, Secure: true, Flags: []string{"-allow-origin", "*"},
		Version: number(program + " --version"),
		Command: []string{"{bin}/goclient", "browser", program, "{clients}/browser/page.html"},
	}
}
