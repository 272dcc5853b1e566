package tls13

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"chatd/poller"
)

// nowhere takes everything.
type nowhere struct{}

func (nowhere) Send(_ int32, p []byte) int      { return len(p) }
func (nowhere) Fanout([]int32, []byte, []int32) {}
func (nowhere) Scatter(_ []int32, p []byte, results []int32) {
	for i := range results {
		results[i] = int32(len(p) / len(results))
	}
}
func (nowhere) Close() {}

func names(s suite) string {
	return [...]string{aes128: "AES-128", aes256: "AES-256", chacha: "ChaCha20"}[s]
}

// Seal is a message to one member: sealed, and sent nowhere.
func BenchmarkSeal(b *testing.B) {
	for _, s := range suites {
		for _, size := range []int{133, 16 << 10} {
			b.Run(fmt.Sprint(names(s), "/", size), func(b *testing.B) {
				server, _ := newPair(s)
				on := poller.NewWorker(nil, nowhere{})
				var c Ciphers
				p := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					server.Writer.seq = 0 // else keys would be changed
					server.Writer.Send(on, &c, 0, p)
				}
			})
		}
	}
}

// The cipher is built for each message.
func BenchmarkSealWhenIdle(b *testing.B) {
	for _, s := range suites {
		b.Run(names(s), func(b *testing.B) {
			server, _ := newPair(s)
			on := poller.NewWorker(nil, nowhere{})
			var c Ciphers
			p := make([]byte, 133)
			b.ReportAllocs()
			for b.Loop() {
				server.Writer.seq = 0
				server.Writer.Send(on, &c, 0, p)
				c.Tick()
				c.Tick()
			}
		})
	}
}

// Open is what a Read does with a record, or as many as it finds.
func BenchmarkOpen(b *testing.B) {
	for _, s := range suites {
		for _, n := range []int{1, 100} {
			b.Run(fmt.Sprint(names(s), "/", n), func(b *testing.B) {
				server, client := newPair(s)
				var stream []byte
				for range n {
					stream = append(stream, record(&client.Writer, typeData, make([]byte, 133))...)
				}
				p := make([]byte, bigP)
				src := sourceFunc(func(p []byte) int { return copy(p, stream) })
				b.ReportAllocs()
				for b.Loop() {
					server.Reader.seq = 0
					if got := server.Reader.Read(src, p, 0); got.N != n*133 {
						b.Fatal(got)
					}
				}
			})
		}
	}
}

// Idle is what a Session takes, and one whose ciphers are kept.
func BenchmarkIdle(b *testing.B) {
	for _, busy := range []bool{false, true} {
		b.Run(fmt.Sprint("busy=", busy), func(b *testing.B) {
			const n = 10_000
			sessions := make([]*Session, n)
			on := poller.NewWorker(nil, nowhere{})
			for b.Loop() {
				var c Ciphers
				clear(sessions)
				before := heap()
				for i := range sessions {
					sessions[i], _ = newPair(aes128)
					if busy {
						sessions[i].Writer.Send(on, &c, 0, []byte("x"))
					}
				}
				b.ReportMetric(float64(heap()-before)/n, "B/session")
				runtime.KeepAlive(&c)
			}
			runtime.KeepAlive(sessions)
		})
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Handshake is what one costs a server, in CPU time of its process, with an echo behind it
// and the end: over the loop, and by crypto/tls with a goroutine for each connection. The
// clients are another process, one or eight at a time, with what browsers offer.
func BenchmarkHandshake(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		for _, atOnce := range []int{1, 8} {
			with := fmt.Sprintf("/resumed=%t/clients=%d", resumed, atOnce)
			b.Run("loop"+with, func(b *testing.B) {
				l := startLoop(b, serverConfig())
				l.results = nil
				benchmarkHandshakes(b, l.addr(), resumed, atOnce)
			})
			b.Run("crypto-tls"+with, func(b *testing.B) {
				l, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig())
				if err != nil {
					b.Fatal(err)
				}
				var all sync.WaitGroup
				all.Go(func() { serveEcho(l, &all) })
				benchmarkHandshakes(b, l.Addr().String(), resumed, atOnce)
				l.Close()
				all.Wait()
			})
		}
	}
}

// serveEcho sends back what comes.
func serveEcho(l net.Listener, all *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer c.Close()
			one := make([]byte, 1)
			for {
				if _, err := c.Read(one); err != nil {
					return
				}
				if _, err := c.Write(one); err != nil {
					return
				}
			}
		})
	}
}

// asClients has the test binary be the clients of a benchmark.
const asClients = "TLS13_TEST_CLIENTS"

// benchmarkHandshakes has clients make b.N handshakes with the server at addr.
func benchmarkHandshakes(b *testing.B, addr string, resumed bool, atOnce int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asClients+"="+fmt.Sprintln(addr, resumed, atOnce, b.N))
	cmd.Stderr = os.Stderr
	begin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	told, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := told.Read(make([]byte, 1)); err != nil { // they are ready
		b.Fatal(err)
	}
	b.ResetTimer()
	before := cpuTime()
	begin.Close()
	if _, err := io.Copy(io.Discard, told); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/1e3/float64(b.N), "CPU-µs/op")
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}

func cpuTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// beClients are the clients of benchmarkHandshakes: one to begin with, from whom the
// others have a session to resume, and the others when the input ends.
func beClients(ask string) error {
	var addr string
	var resumed bool
	var atOnce, n int
	if _, err := fmt.Sscan(ask, &addr, &resumed, &atOnce, &n); err != nil {
		return err
	}
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "chat.example", NextProtos: []string{"http/1.1"}}
	if resumed {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	shake := func(again bool) error {
		client, err := tls.Dial("tcp", addr, config)
		if err != nil {
			return err
		}
		defer client.Close()
		if client.ConnectionState().DidResume != again {
			return fmt.Errorf("resumed: %t", !again)
		}
		if _, err := client.Write([]byte("x")); err != nil {
			return err
		}
		_, err = client.Read(make([]byte, 1)) // with it comes the ticket
		return err
	}
	if err := shake(false); err != nil {
		return err
	}
	fmt.Print(".")
	io.Copy(io.Discard, os.Stdin)
	var left atomic.Int64
	left.Store(int64(n))
	failed := make(chan error, atOnce)
	for range atOnce {
		go func() {
			var err error
			for err == nil && left.Add(-1) >= 0 {
				err = shake(resumed)
			}
			failed <- err
		}()
	}
	for range atOnce {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}
