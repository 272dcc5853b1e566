package stored

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	_ "chatd/poller/linuxonly"
	"chatd/room/order"
)

// fileName is the file's, in the store's directory.
const fileName = "rooms.db"

// What is in the file. A message's key is its place among those of all rooms; of a
// number that is written there can be many bytes, but for keys and sums they are short.
var (
	metaBucket     = []byte("meta")     // "format": below
	roomsBucket    = []byte("rooms")    // name: sum, epoch, id
	messagesBucket = []byte("messages") // key: sum, room's id, seq, at, binary, id, name, nonce, payload

	formatKey = []byte("format")
	format    = []byte("chatd rooms 1")
)

// Open opens the store in the directory dir, which is made if it is not there. Sync is
// how long what has its place may not be on disk; 0: no time. That nothing can be written,
// and that it can again, is logged.
func Open(dir string, sync time.Duration, log *slog.Logger) (*Store, error) {
	lock, err := occupy(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		path: filepath.Join(dir, fileName), lock: lock, sync: sync, log: log,
		clock: func() int64 { return time.Now().UnixMilli() }, rooms: make(map[string]*room),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := s.open(); err != nil {
		_ = lock.Close() // it was only read
		return nil, fmt.Errorf("%s %w", s.path, err)
	}
	go s.write()
	return s, nil
}

// occupy takes the directory for this process, until what it returns is closed.
func occupy(dir string) (lock *os.File, err error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	if lock, err = os.Open(dir); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is another process's: each needs a directory of its own", dir)
		}
		return nil, fmt.Errorf("%s can't be locked: %w", dir, err)
	}
	return lock, nil
}

// makeDir makes a directory, and those above it, unless they are there.
func makeDir(dir string) error {
	switch info, err := os.Stat(dir); {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s is no directory", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	above := filepath.Dir(dir)
	if err := makeDir(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(above)
}

// syncDir has the names in a directory on disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// reason is err without the name of the file, which the caller says.
func reason(err error) error {
	if in, ok := errors.AsType[*fs.PathError](err); ok {
		return in.Err
	}
	return err
}

// open opens the file and reads what is there; a file that is not is made. One that is
// there is not written. One that is damaged may panic.
func (s *Store) open() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("is damaged (%v): move it away to begin without it", cause)
		}
		if err != nil && s.db != nil {
			s.db.Close()
		}
	}()
	switch info, err := os.Stat(s.path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(s.path); err != nil {
			return fmt.Errorf("can't be made: %w", reason(err))
		}
	case err == nil && info.Size() == 0:
		return errors.New("is damaged, it is empty: move it away to begin without it")
	}
	// Its list of free pages is in the file, too: bbolt finds them out in a goroutine of
	// its own otherwise, and if the file is damaged that ends the process. The lock is for
	// programs that look at the file.
	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{Timeout: time.Nanosecond, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return errors.New("is open in another program")
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrVersionMismatch), errors.Is(err, bbolterrors.ErrChecksum):
		return errors.New("is damaged, or no file of chatd's: move it away to begin without it")
	case err != nil:
		return fmt.Errorf("can't be opened: %w", reason(err))
	}
	return s.db.View(s.load)
}

// create makes a file in which nothing is kept. It gets its name when it is whole, and
// on disk.
func create(path string) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) { // one that a crash left
		return err
	}
	db, err := bbolt.Open(fresh, 0o600, nil)
	if err == nil {
		err = errors.Join(db.Update(begin), db.Close())
	}
	if err != nil {
		_ = os.Remove(fresh) // it may not be there
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// begin makes what a new file has to have.
func begin(tx *bbolt.Tx) error {
	for _, name := range [][]byte{metaBucket, roomsBucket, messagesBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return tx.Bucket(metaBucket).Put(formatKey, format)
}

var errDamaged = errors.New("is damaged, what is in it is not what was written: move it away to begin without it")

// load reads what the file has.
func (s *Store) load(tx *bbolt.Tx) error {
	if file, err := os.Stat(s.path); err != nil || file.Size() < tx.Size() {
		return errors.New("is damaged, it is shorter than it was: move it away to begin without it")
	}
	meta, rooms, messages := tx.Bucket(metaBucket), tx.Bucket(roomsBucket), tx.Bucket(messagesBucket)
	if meta == nil || meta.Get(formatKey) == nil {
		return errors.New("is another program's: move it away, or name another directory")
	}
	if found := meta.Get(formatKey); !bytes.Equal(found, format) {
		return fmt.Errorf("is of another version, %.40q: move it away, or run that version", found)
	}
	if rooms == nil || messages == nil {
		return errDamaged
	}
	byID := make(map[uint64]*room)
	err := rooms.ForEach(func(name, value []byte) error {
		r, ok := decodeRoom(string(name), value)
		if !ok {
			return errDamaged
		}
		byID[r.id], s.rooms[r.name] = r, r
		s.nextID = max(s.nextID, r.id)
		return nil
	})
	if err != nil {
		return err
	}
	return messages.ForEach(func(key, value []byte) error {
		id, m, ok := decodeMessage(value)
		if !ok || len(key) != 8 {
			return errDamaged
		}
		k := binary.BigEndian.Uint64(key)
		s.next = k + 1
		s.nextID = max(s.nextID, id)
		r := byID[id]
		switch {
		case r == nil:
			s.dead = append(s.dead, k) // its room was left
		case !r.add(k, m):
			return errDamaged
		default:
			s.live++
		}
		return nil
	})
}

// add takes a message of the file's, and reports whether it can be the next one.
func (r *room) add(key uint64, m order.Message) bool {
	if len(r.keys) == 0 {
		r.first = m.Seq
	} else if m.Seq != r.last.Seq+1 {
		return false
	}
	if n := len(r.found); n > 0 && r.found[n-1].ID == m.ID && r.found[n-1].Name == m.Name {
		m.ID, m.Name = r.found[n-1].ID, r.found[n-1].Name // once is enough
	}
	r.keys, r.found = append(r.keys, key), append(r.found, m)
	r.last = order.Point{Seq: m.Seq, At: m.At}
	return true
}

// keyOf is the key in the file.
func keyOf(key uint64) []byte { return binary.BigEndian.AppendUint64(nil, key) }

// sumSize is the size of the sum with which each value begins.
const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sign sets the sum of a value.
func sign(b []byte) []byte {
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[sumSize:], castagnoli))
	return b
}

// signed is a reader of a value behind its sum, if that is right.
func signed(b []byte) (d decoder, ok bool) {
	if len(b) < sumSize || binary.BigEndian.Uint32(b) != crc32.Checksum(b[sumSize:], castagnoli) {
		return d, false
	}
	return decoder{b: b[sumSize:]}, true
}

// appendRoom appends a room's value.
func appendRoom(b []byte, r *room) []byte {
	b = append(b, make([]byte, sumSize)...)
	b = binary.BigEndian.AppendUint32(b, r.epoch)
	return sign(binary.AppendUvarint(b, r.id))
}

func decodeRoom(name string, b []byte) (r *room, ok bool) {
	d, ok := signed(b)
	if !ok || len(d.b) < 4 {
		return nil, false
	}
	r = &room{name: name, epoch: binary.BigEndian.Uint32(d.b), written: true, first: 1}
	d.b = d.b[4:]
	r.id = d.number()
	return r, !d.failed && r.epoch != 0
}

// appendMessage appends a message's value to b, which is empty.
func appendMessage(b []byte, room uint64, m *order.Message) []byte {
	b = append(b, make([]byte, sumSize)...)
	b = binary.AppendUvarint(b, room)
	b = binary.AppendUvarint(b, m.Seq)
	b = binary.AppendUvarint(b, uint64(m.At))
	kind := byte(0)
	if m.Binary {
		kind = 1
	}
	b = append(b, kind)
	for _, text := range []string{m.ID, m.Name, m.Nonce} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return sign(append(b, m.Payload...))
}

// decodeMessage reads a message, which has no part of b.
func decodeMessage(b []byte) (room uint64, m order.Message, ok bool) {
	d, ok := signed(b)
	if !ok {
		return 0, m, false
	}
	room, m.Seq, m.At = d.number(), d.number(), int64(d.number())
	m.Binary = d.number() == 1
	m.ID, m.Name, m.Nonce = d.text(), d.text(), d.text()
	m.Payload = append([]byte{}, d.b...)
	return room, m, !d.failed
}

// decoder reads a value.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) number() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) text() string {
	n := d.number()
	if n > uint64(len(d.b)) {
		d.failed, d.b = true, nil
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
