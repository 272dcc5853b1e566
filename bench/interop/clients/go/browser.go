package main

import (
	"bufio"
	"context"
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
	args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--user-data-dir=" + profile, address}
	if strings.HasPrefix(filepath.Base(program), "firefox") {
		args = []string{"--headless", "--no-remote", "--profile", profile, address}
	}
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
