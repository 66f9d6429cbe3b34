package proc

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Owner names the calling process by its pid namespace, pid and start time, which together are never used
// again. It is made of digits, letters and dots.
func Owner() string {
	self, _ := readStat(os.Getpid())
	return fmt.Sprintf("%s.%d.%d", pidNamespace(), os.Getpid(), self.start)
}

// OwnerDead says whether owner names a process of the caller's pid namespace that no longer exists. Of any
// other string it is false.
func OwnerDead(owner string) bool { return ownerDead(owner, pidNamespace()) }

// MakeMarker returns a Spec.Marker for a job, unlike any other. It begins with the Owner, so that Sweep can
// tell the children of the living from those of the dead.
func MakeMarker(job string) string { return Owner() + "/" + job + "/" + rand.Text()[:12] }

// ownerIn returns the owner in a marker.
func ownerIn(marker string) string {
	owner, _, _ := strings.Cut(marker, "/")
	return owner
}

func ownerDead(owner, ns string) bool {
	f := strings.Split(owner, ".")
	if len(f) != 3 || f[0] != ns {
		return false
	}
	pid, err := strconv.Atoi(f[1])
	if err != nil || pid <= 0 {
		return false
	}
	start, err := strconv.ParseUint(f[2], 10, 64)
	if err != nil || start == 0 {
		return false
	}
	now, ok := readStat(pid)
	if !ok { // gone, or not to be read: hidden from this user, too many open files
		return unix.Kill(pid, 0) == unix.ESRCH
	}
	return now.start != start || now.zombie
}

// pidNamespace returns the number of the caller's pid namespace. A variable for our tests: with a name of their own the
// sweeps of other tests on the host leave their processes alone.
var pidNamespace = func() string {
	link, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "unknown"
	}
	return strings.Trim(strings.TrimPrefix(link, "pid:"), "[]")
}

// maxEnviron is how much of an environment is read: the marker is its first variable.
const maxEnviron = 64 << 10

// markerOf returns the marker in the environment of a process, empty when it has none or it is not ours to read.
func markerOf(pid int) string {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return ""
	}
	defer f.Close() // opened for reading
	b, err := io.ReadAll(io.LimitReader(f, maxEnviron))
	if err != nil {
		return ""
	}
	for kv := range bytes.SplitSeq(b, []byte{0}) {
		if v, ok := bytes.CutPrefix(kv, []byte(MarkerEnv+"=")); ok {
			return string(v)
		}
	}
	return ""
}
