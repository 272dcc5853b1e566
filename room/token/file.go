package token

import (
	"sync/atomic"
	"time"

	"chatd/room/reload"
)

// maxFile is the size in bytes of the largest file of a key.
const maxFile = 64 << 10

// File is a key whose file may change while it is in use. Anybody may verify by it.
type File struct {
	*reload.File
	key atomic.Pointer[Key]
}

// Open reads the key from the file.
func Open(path string) (*File, error) {
	f := new(File)
	file, err := reload.Open(path, maxFile, func(content []byte) error {
		key, err := ParseKey(content)
		if err == nil {
			f.key.Store(key)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	f.File = file
	return f, nil
}

// Algorithm is that of the present key.
func (f *File) Algorithm() string { return f.key.Load().Algorithm }

// Verify is [Key.Verify] by the present key.
func (f *File) Verify(token string, now time.Time) (*Grant, Fault) {
	return f.key.Load().Verify(token, now)
}
