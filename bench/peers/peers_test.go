// Package peers checks that the servers that chatd is compared with are
// correct: a comparison with one that is not would say nothing.
package peers

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const patience = 30 * time.Second

// build builds all peers and returns their command lines by name.
func build(t *testing.T) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir+"/", "./...").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := make(map[string][]string)
	for _, name := range []string{"channels", "netpoll", "nbio", "gws", "melody", "gnet"} {
		all[name] = []string{filepath.Join(dir, name)}
	}
	if cc, err := exec.LookPath("cc"); err == nil {
		floor := filepath.Join(dir, "floor")
		if out, err := exec.Command(cc, "-O2", "-Wall", "-Werror", "-o", floor, "floor/floor.c").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		all["floor"] = []string{floor}
		all["floor-coalesce"] = []string{floor, "-coalesce"}
	}
	cert, key := certify(t, dir)
	for _, name := range []string{"channels", "nbio"} {
		all[name+"-tls"] = []string{filepath.Join(dir, name), "-tls-cert", cert, "-tls-key", key}
	}
	return all
}

// unverified takes any certificate.
var unverified = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}

// certify writes a certificate that certifies itself, and its key.
func certify(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// start starts a peer and returns the URL of its WebSocket.
func start(t *testing.T, command []string) (url string) {
	t.Helper()
	cmd := exec.Command(command[0], append(command[1:], "-addr", "127.0.0.1:0")...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if _, rest, ok := strings.Cut(lines.Text(), "msg=listening addr="); ok {
				found <- strings.Fields(rest)[0]
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-done
		if err := cmd.Wait(); err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	select {
	case addr := <-found:
		if slices.Contains(command, "-tls-cert") {
			return "wss://" + addr + "/ws"
		}
		return "ws://" + addr + "/ws"
	case <-done:
		t.Fatal("does not start")
	case <-time.After(patience):
		t.Fatal("does not listen")
	}
	return ""
}

// dial connects; a peer may say that it listens a moment before it does.
func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	dialer := &websocket.Dialer{HandshakeTimeout: patience, TLSClientConfig: unverified}
	for deadline := time.Now().Add(patience); ; {
		c, _, err := dialer.Dial(url, nil)
		if err == nil {
			c.SetReadDeadline(time.Now().Add(patience))
			t.Cleanup(func() { c.Close() })
			return c
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestEveryPeerDeliversEverythingToAllInOneOrder(t *testing.T) {
	// No more than a queue of 256 holds: what a peer does beyond is its own.
	const clients, senders, each = 20, 3, 80
	for name, command := range build(t) {
		t.Run(name, func(t *testing.T) {
			url := start(t, command)
			conns := make([]*websocket.Conn, clients)
			for i := range conns {
				conns[i] = dial(t, url)
			}
			// Who is connected need not be a member yet: say hello until all
			// have heard it.
			hear := make([]chan string, clients)
			for i, c := range conns {
				hear[i] = make(chan string, senders*each+clients*clients*10)
				go func() {
					defer close(hear[i])
					for {
						_, payload, err := c.ReadMessage()
						if err != nil {
							return
						}
						hear[i] <- string(payload)
					}
				}()
			}
			for i, c := range conns {
				if err := c.WriteMessage(websocket.TextMessage, fmt.Append(nil, "hello ", i)); err != nil {
					t.Fatal(err)
				}
				for m := range hear[i] {
					if m == fmt.Sprint("hello ", i) {
						break
					}
				}
			}
			var wg sync.WaitGroup
			for s := range senders {
				wg.Go(func() {
					for k := range each {
						if err := conns[s].WriteMessage(websocket.BinaryMessage, fmt.Appendf(nil, "%d/%d", s, k)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			var first []string
			for i := range conns {
				var heard []string
				for m := range hear[i] {
					if !strings.HasPrefix(m, "hello") {
						heard = append(heard, m)
					}
					if len(heard) == senders*each {
						break
					}
				}
				if first == nil {
					first = heard
				}
				if strings.Join(heard, " ") != strings.Join(first, " ") || len(heard) != senders*each {
					t.Fatalf("client %d heard %d messages, or in another order than client 0", i, len(heard))
				}
			}
			wg.Wait()
		})
	}
}
