// Package stores measures what could keep rooms on disk: what a message costs, and how long
// it takes to read what is there. chatd uses the first one (room/order/stored).
//
//	go test -run '^$' -bench . -benchtime 3x
package stores

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/tidwall/wal"
	"go.etcd.io/bbolt"
)

// store keeps messages of rooms.
type store interface {
	// write writes messages, one after the other of rooms from next on, and then has them
	// on disk.
	write(next, n, rooms int) error
	load() (messages int, err error)
	Close() error
}

const size = 133 // bytes of a message

// noise is what can't be compressed.
var noise = make([]byte, 1<<20)

func init() { _, _ = rand.Read(noise) } // never fails

// payload is the message i.
func payload(i int) []byte { return noise[i*size%(len(noise)-size):][:size] }

var stores = []struct {
	name string
	open func(dir string) (store, error)
}{{"bbolt", openBolt}, {"pebble", openPebble}, {"wal", openWAL}}

type boltStore struct{ *bbolt.DB }

var bucket = []byte("messages")

func openBolt(dir string) (store, error) {
	db, err := bbolt.Open(filepath.Join(dir, "db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	return boltStore{db}, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucketIfNotExists(bucket); return err })
}

// value is the message i with what is known of it besides.
func value(i, rooms int) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16+size), uint64(i%rooms))
	return append(binary.BigEndian.AppendUint64(b, uint64(i/rooms)), payload(i)...)
}

func (s boltStore) write(next, n, rooms int) error {
	return s.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucket)
		b.FillPercent = 1
		for i := next; i < next+n; i++ {
			if err := b.Put(binary.BigEndian.AppendUint64(nil, uint64(i)), value(i, rooms)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s boltStore) load() (n int, err error) {
	return n, s.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, v []byte) error {
			_ = append([]byte(nil), v...)
			n++
			return nil
		})
	})
}

type pebbleStore struct{ *pebble.DB }

func openPebble(dir string) (store, error) {
	db, err := pebble.Open(filepath.Join(dir, "db"), &pebble.Options{Logger: quiet{}})
	return pebbleStore{db}, err
}

type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func (s pebbleStore) write(next, n, rooms int) error {
	b := s.NewBatch()
	defer b.Close()
	for i := next; i < next+n; i++ {
		key := binary.BigEndian.AppendUint64(nil, uint64(i%rooms))
		key = binary.BigEndian.AppendUint64(key, uint64(i/rooms))
		if err := b.Set(key, payload(i), nil); err != nil {
			return err
		}
	}
	return b.Commit(pebble.Sync)
}

func (s pebbleStore) load() (n int, err error) {
	it, err := s.NewIter(nil)
	if err != nil {
		return 0, err
	}
	for it.First(); it.Valid(); it.Next() {
		_ = append([]byte(nil), it.Value()...)
		n++
	}
	return n, it.Close()
}

type walStore struct{ *wal.Log }

func openWAL(dir string) (store, error) {
	l, err := wal.Open(filepath.Join(dir, "log"), nil)
	return walStore{l}, err
}

func (s walStore) write(next, n, rooms int) error {
	var b wal.Batch
	for i := next; i < next+n; i++ {
		b.Write(uint64(i+1), value(i, rooms))
	}
	return s.WriteBatch(&b)
}

func (s walStore) load() (n int, err error) {
	first, err := s.FirstIndex()
	if err != nil {
		return 0, err
	}
	last, err := s.LastIndex()
	for i := first; i <= last && err == nil && i > 0; i++ {
		_, err = s.Read(i)
		n++
	}
	return n, err
}

// cpu is the time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A commit each second has very many messages, one behind each message those that came
// during the last one.
func BenchmarkWrite(b *testing.B) {
	const messages = 200_000
	for _, s := range stores {
		for _, commit := range []struct {
			name     string
			messages int
		}{{"1s", 20_000}, {"always", 100}} {
			for _, rooms := range []int{1, 1000, 100_000} {
				b.Run(fmt.Sprintf("%s/sync=%s/rooms=%d", s.name, commit.name, rooms), func(b *testing.B) {
					for range b.N {
						b.StopTimer()
						total := messages
						if commit.messages < 1000 {
							total /= 10
						}
						db, err := s.open(b.TempDir())
						if err != nil {
							b.Fatal(err)
						}
						begun, used := time.Now(), cpu()
						b.StartTimer()
						for i := 0; i < total; i += commit.messages {
							if err := db.write(i, commit.messages, rooms); err != nil {
								b.Fatal(err)
							}
						}
						b.ReportMetric(float64((cpu()-used).Nanoseconds())/float64(total), "cpu-ns/message")
						b.ReportMetric(float64(time.Since(begun).Nanoseconds())/float64(total), "ns/message")
						db.Close()
					}
				})
			}
		}
	}
}

// 256 MiB of messages, in memory with all that is known of them about twice their size.
func BenchmarkOpen(b *testing.B) {
	const messages, rooms = 1_000_000, 10_000
	for _, s := range stores {
		b.Run(s.name, func(b *testing.B) {
			dir := b.TempDir()
			db, err := s.open(dir)
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; i < messages; i += 20_000 {
				if err := db.write(i, 20_000, rooms); err != nil {
					b.Fatal(err)
				}
			}
			db.Close()
			size := int64(0)
			_ = filepath.Walk(dir, func(_ string, f os.FileInfo, _ error) error { // it is there
				size += f.Size()
				return nil
			})
			used := cpu()
			b.ResetTimer()
			for range b.N {
				db, err := s.open(dir)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := db.load(); n != messages || err != nil {
					b.Fatal(n, err)
				}
				db.Close()
			}
			b.ReportMetric(float64((cpu()-used).Nanoseconds())/float64(b.N*messages), "cpu-ns/message")
			b.ReportMetric(float64(size)/messages, "disk-B/message")
		})
	}
}
