package ops

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"chatd/room/order/natstest"
)

// composition is what is looked at of compose.yaml.
type composition struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Environment map[string]string
		StopSignal  string        `yaml:"stop_signal"`
		StopGrace   time.Duration `yaml:"stop_grace_period"`
		Networks    any
	}
}

func readComposition(t *testing.T) (c composition) {
	t.Helper()
	text := regexp.MustCompile(`\$\{CHATD_SECRET:\?[^}]*\}`).ReplaceAll(readFile(t, "cluster/compose.yaml"), []byte("a-secret-of-all-nodes"))
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// takes has chatd look at arguments and an environment, without starting.
func takes(t *testing.T, env []string, args ...string) error {
	t.Helper()
	flags() // builds it
	cmd := exec.CommandContext(t.Context(), filepath.Join(testDir, "chatd"), append(args, "-version")...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return errors.New(string(out))
	}
	return err
}

func TestNodesTakeWhatTheFilesOfAClusterSay(t *testing.T) {
	dir := secrets(t)
	var env []string
	for _, s := range settings(t, "cluster/chatd.conf") {
		if s[0] == "Environment" {
			env = append(env, strings.Replace(s[1], "%d", dir, 1))
		}
	}
	address := regexp.MustCompile(`CHATD_NATS=\S+`).FindString(string(readFile(t, "cluster/chatd.conf")))
	if err := takes(t, append(env, address)); err != nil {
		t.Errorf("chatd.conf: %v", err)
	}
	nodes := 0
	for name, s := range readComposition(t).Services {
		if s.Image != "chatd" {
			continue
		}
		nodes++
		var env []string
		for k, v := range s.Environment {
			env = append(env, k+"="+v)
		}
		if err := takes(t, env, s.Command...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := takes(t, env, append(s.Command, "-nats-cert", "x")...); err == nil {
			t.Error("a flag that is none is not found")
		}
	}
	if nodes != 3 {
		t.Errorf("%d nodes", nodes)
	}
}

// secrets has README.md's commands make certificates and passwords, and returns the
// directory in which they are.
func secrets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for block := range strings.SplitSeq(string(readFile(t, "cluster/README.md")), "\n\n") {
		if !strings.HasPrefix(block, "    ") || !strings.Contains(block, "openssl") || strings.Contains(block, "docker") {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", block)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s%s", err, block, out)
		}
	}
	return dir
}

func TestServersTakeTheConfigurationOfACluster(t *testing.T) {
	dir := secrets(t)
	text := strings.NewReplacer("/etc/nats/cert.pem", dir+"/chat1.pem", "/etc/nats/key.pem", dir+"/chat1.key", "/etc/nats/ca.pem", dir+"/ca.pem").Replace(string(readFile(t, "cluster/nats-server.conf")))
	file := filepath.Join(dir, "nats-server.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), natstest.Binary(t), "-t", "-c", file)
	cmd.Env = append(os.Environ(), "NATS_NAME=chat1", strings.TrimSpace(string(readFile(t, filepath.Join(dir, "nats-server.env")))))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("nats-server: %v\n%s", err, out)
	}
	alone := filepath.Join(dir, "alone.conf") // without one it checks nothing
	if err := os.WriteFile(alone, []byte("port: 4222\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range readComposition(t).Services {
		if strings.HasPrefix(s.Image, "nats:") {
			run(t, natstest.Binary(t), append([]string{"-t", "-c", alone}, s.Command...)...)
			if !slices.Contains(s.Command, name) {
				t.Errorf("%s has another's name: %q", name, s.Command)
			}
		}
	}
	config := filepath.Join(dir, "haproxy.cfg")
	text = strings.ReplaceAll(string(readFile(t, "cluster/haproxy.cfg")), "/etc/haproxy/", dir+"/")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "haproxy", "-c", "-f", config)
}

func TestSystemdTakesTheUnitsOfACluster(t *testing.T) {
	dir := t.TempDir()
	here, err := os.Executable() // verify wants it to be there
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "chatd.service.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, from := range map[string]string{
		"chatd.service": "chatd.service", "chatd.service.d/cluster.conf": "cluster/chatd.conf", "nats-server.service": "cluster/nats-server.service",
	} {
		text := strings.NewReplacer("/usr/local/bin/chatd", here, "/usr/local/bin/nats-server", here).Replace(string(readFile(t, from)))
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := run(t, "systemd-analyze", "verify", "--man=no", filepath.Join(dir, "chatd.service"), filepath.Join(dir, "nats-server.service"))
	if regexp.MustCompile(`chatd\.s|nats-server\.s|cluster\.conf`).Match(out) {
		t.Errorf("systemd complains:\n%s", out)
	}
}

func TestServersAreStoppedAsTheyMustBe(t *testing.T) {
	lame := regexp.MustCompile(`lame_duck_duration: "(\w+)"`).FindSubmatch(readFile(t, "cluster/nats-server.conf"))
	if lame == nil {
		t.Fatal("no lame_duck_duration")
	}
	takes, err := time.ParseDuration(string(lame[1]))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range settings(t, "cluster/nats-server.service") {
		switch s[0] {
		case "TimeoutStopSec":
			if waits, err := time.ParseDuration(s[1]); err != nil || waits < takes+5*time.Second {
				t.Errorf("TimeoutStopSec is %s, %v; the server takes up to %s", s[1], err, takes)
			}
		case "KillSignal":
			if s[1] != "SIGUSR2" {
				t.Errorf("KillSignal is %s", s[1])
			}
		}
	}
	const byDefault = 2 * time.Minute
	for name, s := range readComposition(t).Services {
		switch {
		case strings.HasPrefix(s.Image, "nats:"):
			if s.StopSignal != "SIGUSR2" || s.StopGrace < byDefault+5*time.Second {
				t.Errorf("%s is stopped by %s, and has %s", name, s.StopSignal, s.StopGrace)
			}
		case s.Image == "chatd":
			spread, _ := time.ParseDuration(s.Environment["CHATD_DRAIN_SPREAD"])
			timeout, _ := time.ParseDuration(s.Environment["CHATD_DRAIN_TIMEOUT"])
			if s.StopGrace < spread+timeout+5*time.Second || spread == 0 {
				t.Errorf("%s has %s, the drain takes up to %s", name, s.StopGrace, spread+timeout)
			}
		}
	}
}

// The nodes' addresses are those that HAProxy knows, and HAProxy's is that which they
// believe.
func TestAddressesOfAClusterAreTheSameEverywhere(t *testing.T) {
	all := readComposition(t).Services
	address := func(name string) string {
		return regexp.MustCompile(`[\d.]{7,}`).FindString(fmt.Sprint(all[name].Networks))
	}
	proxy := address("haproxy")
	if !strings.Contains(string(readFile(t, "cluster/chatd.conf")), "CHATD_TRUSTED_PROXIES="+proxy+"\n") {
		t.Errorf("chatd.conf does not believe %s", proxy)
	}
	haproxy := string(readFile(t, "cluster/haproxy.cfg"))
	for name, s := range all {
		if s.Image != "chatd" {
			continue
		}
		if line := fmt.Sprintf("server %s %s:8080\n", name, address(name)); !strings.Contains(haproxy, line) {
			t.Errorf("haproxy.cfg has no %s", line)
		}
		if believed := s.Environment["CHATD_TRUSTED_PROXIES"]; believed != proxy {
			t.Errorf("%s believes %s", name, believed)
		}
	}
}
