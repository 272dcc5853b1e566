package tls13

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"testing"

	"chatd/poller"
)

// nowhere takes everything.
type nowhere struct{}

func (nowhere) Send(_ int32, p []byte) int      { return len(p) }
func (nowhere) Fanout([]int32, []byte, []int32) {}
func (nowhere) Close()                          {}

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

// Handshake is a whole one with the loop, the client's part included; beside it the
// same with crypto/tls alone.
func BenchmarkHandshake(b *testing.B) {
	for _, resumed := range []bool{false, true} {
		config := clientConfig()
		if resumed {
			config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		}
		shake := func(b *testing.B, addr string) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			client := tls.Client(c, config)
			if _, err := client.Write([]byte("x")); err != nil {
				b.Fatal(err)
			}
			if _, err := client.Read(make([]byte, 1)); err != nil { // with it comes the ticket
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprint("loop/resumed=", resumed), func(b *testing.B) {
			l := startLoop(b, serverConfig())
			for b.Loop() {
				shake(b, l.addr())
				l.result()
			}
		})
		b.Run(fmt.Sprint("crypto-tls/resumed=", resumed), func(b *testing.B) {
			l, err := tls.Listen("tcp", "127.0.0.1:0", serverConfig())
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
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
					}()
				}
			}()
			for b.Loop() {
				shake(b, l.Addr().String())
			}
		})
	}
}
