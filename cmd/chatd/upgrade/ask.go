package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"chatd/room/carry"
)

// Who asks a server for an upgrade listens, and the server calls back: so it has no door
// that is open all the time and has to be guarded. The kernel's permission to send the
// signal is the permission to ask, and each side sees by the other's credentials
// (SO_PEERCRED) that it is who it should be.
//
//	chatd upgrade                             server, process N
//	listens at @chatd-upgrade-N
//	SIGUSR2                            ─────▶
//	                                   ◀───── connects
//	{"path": "/usr/local/bin/chatd"}   ─────▶
//	                                   ◀───── {"outcome": "done", ...}, by this program or the next
//
// Who asks while an upgrade is under way is called at its end, and told the same. The name
// is an abstract one, that of a network namespace: it needs no file that both can write.

// meetTimeout is how long the other side may take to say what it has ready, or to take
// what is told.
const meetTimeout = 2 * time.Second

// address is where who asks process pid listens.
func address(pid int) *net.UnixAddr {
	return &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("@chatd-upgrade-%d", pid)}
}

// request is what is asked for.
type request struct {
	Path string `json:"path,omitempty"` // of the new program; empty: that of the running one
}

// asker is who has asked for an upgrade, and waits. All methods do nothing if it is nil.
type asker struct {
	conn *net.UnixConn
	fd   int
	request
	log *slog.Logger
}

// meet is who asks process pid, this one; nil if nobody does who may.
func meet(pid int, log *slog.Logger) *asker {
	conn, err := net.DialUnix("unix", nil, address(pid))
	if err != nil {
		return nil // there was only a signal
	}
	a := &asker{conn: conn, log: log}
	if err := a.hear(); err != nil {
		log.Warn("who asks for an upgrade is not listened to", "err", err)
		conn.Close()
		return nil
	}
	return a
}

// hear reads the request, of one who may make it.
func (a *asker) hear() (err error) {
	who, fd, err := peer(a.conn)
	switch {
	case err != nil:
		return err
	case who.Uid != 0 && int(who.Uid) != os.Geteuid():
		return fmt.Errorf("it is user %d, and neither root nor this server's", who.Uid)
	}
	a.fd = fd
	if err := a.conn.SetDeadline(time.Now().Add(meetTimeout)); err != nil {
		return err
	}
	if err := json.NewDecoder(a.conn).Decode(&a.request); err != nil {
		return err
	}
	return a.conn.SetDeadline(time.Time{})
}

// peer is who is at the other end of c, and c's descriptor.
func peer(c *net.UnixConn) (who *unix.Ucred, fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, -1, err
	}
	var failed error
	err = raw.Control(func(s uintptr) {
		fd = int(s)
		who, failed = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return who, fd, errors.Join(err, failed)
}

// path is that of the program that is asked for; empty if it does not matter.
func (a *asker) path() string {
	if a == nil {
		return ""
	}
	return a.Path
}

// answer tells what became of the upgrade, and ends it.
func (a *asker) answer(r Result) {
	if a == nil {
		return
	}
	defer a.conn.Close()
	_ = a.conn.SetDeadline(time.Now().Add(meetTimeout)) // if it fails, so does the next
	if err := json.NewEncoder(a.conn).Encode(r); err != nil {
		a.log.Warn("who has asked for the upgrade can't be told of it", "err", err)
	}
}

func (a *asker) carry(w *carry.Writer) {
	w.Bool(a != nil)
	if a != nil {
		w.FD(a.fd)
	}
}

// restoreAsker is one who waits; it is to be begun.
func restoreAsker(r *carry.Reader) *asker {
	if !r.Bool() {
		return nil
	}
	return &asker{fd: r.FD()}
}

// begin takes over the connection to it; nil if that can't be.
func (a *asker) begin(log *slog.Logger) *asker {
	if a == nil {
		return nil
	}
	file := os.NewFile(uintptr(a.fd), "asker")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		log.Warn("who has asked for the upgrade can't be told of it", "err", err)
		return nil
	}
	return &asker{conn: conn.(*net.UnixConn), log: log}
}
