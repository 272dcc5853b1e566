package upgrade

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"chatd/room/carry"
)

// memory is the memory file with the state:
//
//	8 bytes   how long the first part is
//	          the process's part
//	          the server's part, which may not be there yet
type memory struct{ *os.File }

// headSize is how long what is in front of the parts is.
const headSize = 8

// newMemory makes an empty one, which no child inherits.
func newMemory() (memory, error) {
	const name = "chatd-state"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // the kernel is older than 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return memory{}, fmt.Errorf("make a memory file: %w", err)
	}
	return memory{os.NewFile(uintptr(fd), name)}, nil
}

// fd is the descriptor.
func (m memory) fd() int { return int(m.Fd()) }

// append writes a part behind what there is, and returns the descriptors that it names.
func (m memory) append(write func(*carry.Writer) error) (fds descriptors, err error) {
	w := carry.NewWriter(m)
	err = write(w)
	if err = errors.Join(err, w.Close()); err != nil {
		return fds, fmt.Errorf("write the state: %w", err)
	}
	fds.fds, fds.open = w.FDs()
	return fds, nil
}

// begin writes the process's part.
func (m memory) begin(write func(*carry.Writer) error) (fds descriptors, err error) {
	if _, err := m.Write(make([]byte, headSize)); err != nil {
		return fds, fmt.Errorf("write the state: %w", err)
	}
	if fds, err = m.append(write); err != nil {
		return fds, err
	}
	size, err := m.size()
	if err != nil {
		return fds, err
	}
	head := binary.BigEndian.AppendUint64(nil, uint64(size-headSize))
	if _, err := m.WriteAt(head, 0); err != nil {
		return fds, fmt.Errorf("write the state: %w", err)
	}
	return fds, nil
}

// seal has it stay as long as it is. That nobody changes what is in it can't be had: it
// has to be wiped.
func (m memory) seal() error {
	if _, err := unix.FcntlInt(m.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return fmt.Errorf("seal the state: %w", err)
	}
	return nil
}

func (m memory) size() (int64, error) {
	info, err := m.Stat()
	if err != nil {
		return 0, fmt.Errorf("measure the state: %w", err)
	}
	return info.Size(), nil
}

// wipe overwrites all of it and closes it.
func (m memory) wipe() error {
	size, err := m.size()
	zeros := make([]byte, 64<<10)
	for at := int64(0); at < size && err == nil; at += int64(len(zeros)) {
		_, err = m.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at)
	}
	return errors.Join(err, m.Close())
}

// process is the process's part, in memory of its own.
func (m memory) process() ([]byte, error) {
	head := make([]byte, headSize)
	if _, err := m.ReadAt(head, 0); err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	size, err := m.size()
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(head)
	if n > uint64(size-headSize) {
		return nil, errors.New("read the state: its first part is longer than all of it")
	}
	b := make([]byte, n)
	if _, err := m.ReadAt(b, headSize); err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	return b, nil
}

// server maps all of it, and returns the server's part. It can't be written to there:
// whoever tries to change what is read in place finds out.
func (m memory) server() (mapped, part []byte, err error) {
	process, err := m.process()
	if err != nil {
		return nil, nil, err
	}
	seals, err := unix.FcntlInt(m.Fd(), unix.F_GET_SEALS, 0)
	if err != nil || seals&unix.F_SEAL_SHRINK == 0 {
		return nil, nil, errors.New("read the state: it is not sealed")
	}
	size, err := m.size()
	if err != nil {
		return nil, nil, err
	}
	if mapped, err = unix.Mmap(m.fd(), 0, int(size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE); err != nil {
		return nil, nil, fmt.Errorf("map the state: %w", err)
	}
	return mapped, mapped[headSize+len(process):], nil
}
