package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// believed is the certificate that the environment names.
func believed() (*x509.Certificate, error) {
	content, err := os.ReadFile(os.Getenv("SSL_CERT_FILE"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("SSL_CERT_FILE names no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}

// believeChromium has it take the key of the certificate, and no other, as it is.
func believeChromium(_, _ string) (args []string, err error) {
	cert, err := believed()
	if err != nil {
		return nil, err
	}
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return []string{"--ignore-certificate-errors-spki-list=" + base64.StdEncoding.EncodeToString(key[:])}, nil
}

// believeFirefox writes down, as if somebody had said so, that the certificate is host's.
func believeFirefox(profile, host string) (args []string, err error) {
	cert, err := believed()
	if err != nil {
		return nil, err
	}
	const bySHA256 = "OID.2.16.840.1.101.3.4.2.1"
	print := strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(cert.Raw)), " ", ":")
	line := fmt.Sprintf("%s:\t%s\t%s\t\n", host, bySHA256, print)
	return nil, os.WriteFile(filepath.Join(profile, "cert_override.txt"), []byte(line), 0o600)
}

// runBrowser opens a page of its own in a browser and prints what the page
// posts, until that is how the connection was closed.
func runBrowser(program, page, target string) (err error) {
	profile, err := os.MkdirTemp("", "interop")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	closed := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, page) })
	mux.HandleFunc("POST /", func(_ http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Println(lines.Text())
			if strings.HasPrefix(lines.Text(), "closed ") {
				defer close(closed)
			}
		}
	})
	server := &http.Server{Handler: mux}
	go server.Serve(l) // until it is closed
	defer server.Close()

	address := "http://" + l.Addr().String() + "/?" + url.QueryEscape(target)
	args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + profile}
	believe := believeChromium
	if strings.HasPrefix(filepath.Base(program), "firefox") {
		args = []string{"--headless", "--no-remote", "--profile", profile}
		believe = believeFirefox
	}
	if server, err := url.Parse(target); err == nil && server.Scheme == "wss" {
		more, err := believe(profile, server.Host)
		if err != nil {
			return err
		}
		args = append(args, more...)
	}
	args = append(args, address)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends its own processes
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-closed:
		stop()
		<-ended
		return nil
	case err := <-ended:
		return fmt.Errorf("the browser ended early: %v", err)
	}
}
