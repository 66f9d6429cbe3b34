package audit

import (
	"os"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
	"gopkg.in/natefinch/lumberjack.v2"
)

// Two more cases of TestWhatLumberjackLosesIsKept, which only root can bring about. A full disk is in TestARealFullDisk.
func TestWhatLumberjackLosesOnLinuxIsKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give a file away or make it append-only")
	}
	t.Run("a file that came to belong to somebody else", func(t *testing.T) {
		lostAndKept(t, func(t *testing.T, path string, j *lumberjack.Logger) int {
			fill(t, path, j)
			giveAway(t, path)
			withoutChown(t, func() { bareLine(j, 1) }) // goes into a file that it cannot give to that other one
			return 2
		}, func(t *testing.T, path string, l *Logger) int {
			ourLines(t, l, 1)
			giveAway(t, path)
			l.io.file.max = 100
			withoutChown(t, func() { ourLines(t, l, 10) })
			if len(rotated(t, path)) == 0 {
				t.Error("no rotation")
			}
			return 11
		})
	})
	t.Run("a file that may only grow", func(t *testing.T) {
		lostAndKept(t, func(t *testing.T, path string, j *lumberjack.Logger) int {
			fill(t, path, j)
			defer onlyGrow(t, path)()
			for i := range 10 {
				bareLine(j, i)
			}
			return 11
		}, func(t *testing.T, path string, l *Logger) int {
			ourLines(t, l, 1)
			defer onlyGrow(t, path)()
			l.io.file.max = 100
			return 1 + ourLines(t, l, 10)
		})
	})
}

func giveAway(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Skip(err) // root of a namespace that knows no other user
	}
}

// withoutChown calls f while its thread may not give files away, as the thread of an ordinary user.
func withoutChown(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&head, &caps[0]); err != nil {
		t.Fatal(err)
	}
	less := caps
	less[0].Effective &^= 1 << unix.CAP_CHOWN
	if err := unix.Capset(&head, &less[0]); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Capset(&head, &caps[0]); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// onlyGrow makes the file append-only until the returned func is called.
func onlyGrow(t *testing.T, path string) (end func()) {
	t.Helper()
	if err := exec.Command("chattr", "+a", path).Run(); err != nil {
		t.Skipf("cannot make a file append-only: %v", err)
	}
	return func() {
		if err := exec.Command("chattr", "-a", path).Run(); err != nil {
			t.Error(err)
		}
	}
}
