package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// front is a proxy in front of a chatd, which runs with the configuration in
// ops but for addresses and files.
type front struct {
	Addr  string // that it listens on
	chatd *process
}

// fronts are the proxies whose configurations are in ops. Changes are made to
// the configuration: pairs of what is there and what is to be in its place.
var fronts = map[string]func(t *testing.T, chatd *process, changes ...string) *front{
	"nginx":   startNginx,
	"HAProxy": startHAProxy,
	"Caddy":   startCaddy,
}

func startNginx(t *testing.T, chatd *process, changes ...string) *front {
	return startFront(t, chatd, func(dir, addr string) *exec.Cmd {
		site := configured(t, "nginx.conf", append(changes,
			"listen 443 ", "listen "+addr+" ",
			"/etc/ssl/chat.example.crt", filepath.Join(dir, "cert.pem"),
			"/etc/ssl/private/chat.example.key", filepath.Join(dir, "key.pem"),
			"127.0.0.1:8080;", chatd.Addr+";")...)
		config := write(t, dir, "nginx.conf", `
			daemon off; master_process off; pid pid; error_log stderr;
			events {}
			http {
				access_log off;
				client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
				`+site+`
			}`)
		return exec.Command("nginx", "-p", dir, "-e", "stderr", "-c", config)
	})
}

func startHAProxy(t *testing.T, chatd *process, changes ...string) *front {
	return startFront(t, chatd, func(dir, addr string) *exec.Cmd {
		return exec.Command("haproxy", "-db", "-f", write(t, dir, "haproxy.cfg", configured(t, "haproxy.cfg", append(changes,
			"bind :443 ", "bind "+addr+" ",
			"/etc/haproxy/chat.example.pem", filepath.Join(dir, "both.pem"),
			"chatd 127.0.0.1:8080 ", "chatd "+chatd.Addr+" ",
			"port 9080 ", "port "+port(t, chatd.Admin)+" ")...)))
	})
}

// startPassing starts a HAProxy that passes TLS on.
func startPassing(t *testing.T, chatd *process) *front {
	return startFront(t, chatd, func(dir, addr string) *exec.Cmd {
		return exec.Command("haproxy", "-db", "-f", write(t, dir, "haproxy.cfg", configured(t, "haproxy-tcp.cfg",
			"bind :443\n", "bind "+addr+"\n",
			"chatd 127.0.0.1:8443 ", "chatd "+chatd.Addr+" ",
			"port 9080 ", "port "+port(t, chatd.Admin)+" ")))
	})
}

func startCaddy(t *testing.T, chatd *process, changes ...string) *front {
	return startFront(t, chatd, func(dir, addr string) *exec.Cmd {
		config := "{\n\tadmin off\n\tauto_https disable_redirects\n\tgrace_period 100ms\n}\n" + configured(t, "Caddyfile", append(changes,
			"chat.example {", "https://"+addr+" {\n\tbind 127.0.0.1\n\ttls "+filepath.Join(dir, "cert.pem")+" "+filepath.Join(dir, "key.pem"),
			"reverse_proxy 127.0.0.1:8080 ", "reverse_proxy "+chatd.Addr+" ",
			"health_port 9080", "health_port "+port(t, chatd.Admin))...)
		cmd := exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", write(t, dir, "Caddyfile", config))
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		return cmd
	})
}

// startFront runs a proxy on a free port of the loopback interface, waits until
// it takes connections, and ends it with the test.
func startFront(t *testing.T, chatd *process, command func(dir, addr string) *exec.Cmd) *front {
	t.Helper()
	dir := t.TempDir()
	certify(t, dir)
	for range 5 { // somebody else may take the port
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := free.Addr().String()
		free.Close()
		cmd := command(dir, addr)
		var log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatalf("%v: make tools installs it", err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		if !listens(addr, ended) {
			_ = cmd.Process.Kill()
			<-ended
			t.Logf("%s does not start:\n%s", cmd, &log)
			continue
		}
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM) // that it has ended already is shown by its log
			select {
			case <-ended:
			case <-time.After(patience):
				_ = cmd.Process.Kill()
				<-ended
				t.Errorf("%s does not end", cmd)
			}
			if t.Failed() {
				t.Logf("%s:\n%s", cmd, &log)
			}
		})
		return &front{addr, chatd}
	}
	t.Fatal("it does not start")
	return nil
}

// listens waits until addr takes connections; it reports false if the process
// has ended before, or that takes too long.
func listens(addr string, ended <-chan struct{}) bool {
	overdue := time.After(patience)
	for again := time.NewTicker(10 * time.Millisecond); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return true
		}
		select {
		case <-again.C:
		case <-ended:
			return false
		case <-overdue:
			return false
		}
	}
}

// configured is a file of ops with changes, each of which must have an effect.
func configured(t *testing.T, file string, changes ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("ops", file))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for i := 0; i < len(changes); i += 2 {
		changed := strings.ReplaceAll(text, changes[i], changes[i+1])
		if changed == text {
			t.Fatalf("%s has no %q", file, changes[i])
		}
		text = changed
	}
	return text
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// certify puts a certificate that nobody else trusts into dir, with its key,
// and both in one file.
func certify(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	write(t, dir, "cert.pem", public)
	write(t, dir, "key.pem", private)
	write(t, dir, "both.pem", public+private)
}
