package poller

import (
	"net"
	"runtime"
	"syscall"
	"testing"
)

// connected is both ends of a connection.
func connected(t *testing.T, network, addr string) (here, there net.Conn) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if here, err = net.Dial(network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close() })
	if there, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { there.Close() })
	return here, there
}

func progressOf(t *testing.T, c net.Conn) Progress {
	t.Helper()
	p, known := ProgressOf(c.(syscall.Conn))
	if !known {
		t.Fatal("the kernel knows nothing")
	}
	return p
}

func TestKernelTellsWhatIsTakenAndWhatIsUnread(t *testing.T) {
	here, there := connected(t, "tcp", "127.0.0.1:0")
	before := progressOf(t, here)
	if _, err := here.Write(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	for progressOf(t, here).Waiting > 0 {
		runtime.Gosched()
	}
	if n := progressOf(t, here).Acked - before.Acked; n != 100 {
		t.Errorf("%d bytes are acknowledged", n)
	}
	if before.Window < 100 {
		t.Errorf("its window is %d bytes", before.Window)
	}
	if n := progressOf(t, there).Unread; n != 100 {
		t.Errorf("%d bytes are unread", n)
	}
	if err := there.(*net.TCPConn).SetReadBuffer(1 << 10); err != nil {
		t.Fatal(err)
	}
	raw, err := here.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	if err := raw.Control(func(fd uintptr) { // until nothing more is taken
		for sysSend(int32(fd), block) > 0 {
		}
	}); err != nil {
		t.Fatal(err)
	}
	if p := progressOf(t, here); p.Waiting == 0 || p.Unsent == 0 || p.Unsent > p.Waiting {
		t.Errorf("nothing waits for a peer that does not read: %+v", p)
	}
}

func TestKernelTellsNothingOfSocketsThatAreNotTCPs(t *testing.T) {
	here, _ := connected(t, "unix", t.TempDir()+"/socket")
	if p, known := ProgressOf(here.(syscall.Conn)); known {
		t.Errorf("%+v", p)
	}
	here.Close()
	if p, known := ProgressOf(here.(syscall.Conn)); known {
		t.Errorf("closed: %+v", p)
	}
}
