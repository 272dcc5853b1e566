package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// asNetHTTP in the environment makes the test binary be the least server of
// net/http that gives every request the same answer: the one in its input.
const asNetHTTP = "CHATD_TEST_AS_NET_HTTP"

// serveSame is the process that asNetHTTP asks for. It ends with its input.
func serveSame() error {
	in := bufio.NewReader(os.Stdin)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	answer.Header.Del("Date") // net/http has its own
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, in)
		listener.Close()
	}()
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		for field, values := range answer.Header {
			header[field] = values
		}
		_, _ = w.Write(body)
	}))
}

// startSame starts net/http alone with an answer, and returns its address and
// process.
func startSame(b *testing.B, answer []byte) (addr string, pid int) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), asNetHTTP+"=1", "GOGC=50") // as chatd
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // its listener was closed: it ends with that
	})
	if _, err := in.Write(answer); err != nil {
		b.Fatal(err)
	}
	if addr, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr), cmd.Process.Pid
}

// asker is a connection that is kept.
type asker struct {
	b       *testing.B
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	answer  int // its bytes, once one has come
}

func newAsker(b *testing.B, addr, accept string) *asker {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	request := fmt.Sprintf("GET / HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: %s\r\n\r\n", addr, accept)
	return &asker{b: b, conn: conn, in: bufio.NewReader(conn), request: []byte(request)}
}

// first asks once and returns the whole answer.
func (a *asker) first() []byte {
	var answer bytes.Buffer
	if _, err := a.conn.Write(a.request); err != nil {
		a.b.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(io.TeeReader(a.in, &answer)), nil)
	if err != nil {
		a.b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		a.b.Fatal(err)
	}
	a.answer = answer.Len()
	return answer.Bytes()
}

// ask asks for the same again.
func (a *asker) ask() {
	if _, err := a.conn.Write(a.request); err != nil {
		a.b.Fatal(err)
	}
	if _, err := a.in.Discard(a.answer); err != nil {
		a.b.Fatal(err)
	}
}

// cpu is the processor time that a process has taken.
func cpu(b *testing.B, pid int) time.Duration {
	process, err := procfs.NewProc(pid)
	if err != nil {
		b.Fatal(err)
	}
	stat, err := process.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(stat.CPUTime() * float64(time.Second))
}

// What a request for the page costs chatd, beside net/http alone with the same
// answer. The two take turns, so that what else the machine does is the same.
func BenchmarkPageOnAKeptConnection(b *testing.B) {
	const turn = 1000 // requests
	for _, coding := range []string{"identity", "br"} {
		b.Run(coding, func(b *testing.B) {
			chatd := startChatd(b)
			ours := newAsker(b, chatd.Addr, coding)
			addr, pid := startSame(b, ours.first())
			alone := newAsker(b, addr, coding)
			alone.first()
			var spent [2]time.Duration
			n := 0
			for b.Loop() {
				for i, server := range []struct {
					*asker
					pid int
				}{{ours, chatd.cmd.Process.Pid}, {alone, pid}} {
					before := cpu(b, server.pid)
					for range turn {
						server.ask()
					}
					spent[i] += cpu(b, server.pid) - before
				}
				n += turn
			}
			b.ReportMetric(0, "ns/op") // a turn: says nothing
			b.ReportMetric(float64(spent[0].Microseconds())/float64(n), "cpu-µs/request")
			b.ReportMetric(float64(spent[1].Microseconds())/float64(n), "alone-cpu-µs/request")
			b.ReportMetric(float64(spent[0])/float64(spent[1]), "×net/http")
		})
	}
}
