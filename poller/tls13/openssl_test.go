package tls13

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openssl is the program, run with its input and output in the test's hands.
type openssl struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   *os.File
	wait func() error

	mu   sync.Mutex
	out  bytes.Buffer
	more chan struct{} // there is more in out
}

// runOpenSSL runs it, or skips the test where it is not.
func runOpenSSL(t *testing.T, args ...string) *openssl {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl")
	}
	o := &openssl{t: t, cmd: exec.Command(path, args...), more: make(chan struct{}, 1)}
	o.cmd.Stdout, o.cmd.Stderr = o, o
	o.cmd.WaitDelay = patience
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o.cmd.Stdin, o.in = in, out
	t.Cleanup(func() { out.Close() })
	err = o.cmd.Start()
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	o.wait = sync.OnceValue(o.cmd.Wait)
	t.Cleanup(func() {
		_ = o.cmd.Process.Kill()
		_ = o.wait()
	})
	return o
}

// Write takes what it says.
func (o *openssl) Write(p []byte) (int, error) {
	o.mu.Lock()
	o.out.Write(p)
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

// say sends a line, and waits until what it says matches. An answer does not count
// again.
func (o *openssl) say(line, want string) []string {
	o.t.Helper()
	if line != "" {
		if _, err := io.WriteString(o.in, line+"\n"); err != nil {
			o.t.Fatal(err)
		}
	}
	late := time.After(patience)
	for pattern := regexp.MustCompile(want); ; {
		o.mu.Lock()
		found := pattern.FindStringSubmatch(o.out.String())
		if found != nil {
			o.out.Reset()
		}
		all := o.out.String()
		o.mu.Unlock()
		if found != nil {
			return found
		}
		select {
		case <-o.more:
		case <-late:
			o.t.Fatalf("after %q there is no %q in %q", line, want, all)
		}
	}
}

// command has it take a line, and what comes next for itself: of what it reads at once
// it looks at the first letter only.
func (o *openssl) command(line string) {
	o.t.Helper()
	if _, err := io.WriteString(o.in, line+"\n"); err != nil {
		o.t.Fatal(err)
	}
	for late := time.Now().Add(patience); ; {
		if n, err := unix.IoctlGetInt(int(o.in.Fd()), unix.TIOCINQ); err != nil || n == 0 {
			return
		}
		if time.Now().After(late) {
			o.t.Fatalf("%q is not read", line)
		}
		time.Sleep(time.Millisecond)
	}
}

// quit ends it, and says how.
func (o *openssl) quit() {
	o.t.Helper()
	if _, err := io.WriteString(o.in, "Q\n"); err != nil {
		o.t.Fatal(err)
	}
	if err := o.wait(); err != nil {
		o.t.Error(err, o.out.String())
	}
}

// files are the authority's certificate, and a server's with its key.
func files(t *testing.T) (ca, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private, err := x509.MarshalPKCS8PrivateKey(certECDSA().PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return write("ca", "CERTIFICATE", authority().cert.Raw), write("cert", "CERTIFICATE", certECDSA().Certificate[0]), write("key", "PRIVATE KEY", private)
}

func TestOpenSSLAsAClient(t *testing.T) {
	l := startLoop(t, serverConfig())
	ca, _, _ := files(t)
	session := filepath.Join(t.TempDir(), "session")
	for _, tt := range []struct {
		name string
		args []string
		want suite // 0: any
	}{
		{"AES-128", []string{"-ciphersuites", "TLS_AES_128_GCM_SHA256", "-sess_out", session}, aes128},
		{"resumed", []string{"-ciphersuites", "TLS_AES_128_GCM_SHA256", "-sess_in", session}, aes128},
		{"AES-256", []string{"-ciphersuites", "TLS_AES_256_GCM_SHA384"}, aes256},
		{"ChaCha20", []string{"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, chacha},
		{"P-256", []string{"-groups", "P-256"}, 0},
		{"P-521", []string{"-groups", "P-521"}, 0},
		{"X448, then X25519", []string{"-groups", "X448:X25519"}, 0}, // HelloRetryRequest
		{"small records", []string{"-max_send_frag", "512", "-split_send_frag", "512"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := runOpenSSL(t, append([]string{"s_client", "-connect", l.addr(), "-servername", "chat.example", "-CAfile", ca, "-verify_return_error", "-alpn", "http/1.1"}, tt.args...)...)
			// What it says of tickets comes with the first data.
			o.say("first", "(?s)Verif.*0 \\(ok\\).*first\n")
			r := l.result()
			if r.Err != nil || tt.want != 0 && suiteOf(r.Suite) != tt.want || r.Resumed != (tt.name == "resumed") {
				t.Fatalf("%+v", r)
			}
			o.say("second", "second\n")
			o.say("K", "KEYUPDATE") // and the server is to change its keys
			o.say("third", "third\n")
			o.say("k", "KEYUPDATE")
			o.say("fourth", "fourth\n")
			o.say("K", "KEYUPDATE")
			o.say("K", "KEYUPDATE")
			long := strings.Repeat("long ", 1000)
			o.say(long, long)
			o.quit()
		})
	}
}

func TestOldOpenSSLIsTold(t *testing.T) {
	l := startLoop(t, serverConfig())
	o := runOpenSSL(t, "s_client", "-connect", l.addr(), "-tls1_2")
	o.say("", "alert protocol version")
	if r := l.result(); r.Reason != OldVersion {
		t.Errorf("%v %v", r.Reason, r.Err)
	}
}

func TestOpenSSLAsAServer(t *testing.T) {
	_, cert, key := files(t)
	for _, suite := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"} {
		t.Run(suite, func(t *testing.T) {
			o := runOpenSSL(t, "s_server", "-4", "-accept", "0", "-cert", cert, "-key", key, "-ciphersuites", suite, "-naccept", "1")
			port := o.say("", `ACCEPT \S*:(\d+)`)[1]
			nc, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			_ = nc.SetDeadline(time.Now().Add(patience))
			config := clientConfig()
			config.NextProtos = nil
			c, _, err := Client(nc, config)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			expect := func(want string) {
				t.Helper()
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
					t.Errorf("%q %v, want %q", got, err, want)
				}
			}
			send := func(line string) {
				t.Helper()
				if _, err := io.WriteString(c, line+"\n"); err != nil {
					t.Fatal(err)
				}
				o.say("", line)
			}
			send("hello")
			o.command("one")
			expect("one\n")
			for _, command := range []string{"K", "k", "K"} { // it asks for new keys, or only has some
				o.command(command)
				o.command("two")
				expect("two\n")
				send("there")
				send("again")
			}
		})
	}
}
