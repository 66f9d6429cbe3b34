package crashtest

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/rediverio/sdk/internal/smalldisk"
)

// smallDisk is smalldisk.Dir with the flags of this run.
func smallDisk(t *testing.T, bytes int) (dir string) {
	t.Helper()
	return smalldisk.Dir(t, bytes, "-rounds", strconv.Itoa(*rounds), "-seed", strconv.FormatUint(*seed, 10))
}

// occupy takes all of the disk that is free, to the last byte.
func occupy(t *testing.T, junk string) {
	t.Helper()
	f, err := os.OpenFile(junk, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
}

// The same lives and deaths as in TestTorture, with the agent's store on a disk that is full most of the time.
func TestTortureOnFullDisk(t *testing.T) {
	dir := smallDisk(t, tortureBytes)
	if dir == "" {
		return
	}
	torture(t, max(1, *rounds/10), dir)
}

// tortureBytes is the size of a disk that has room for the reserve, which is 8 MiB, and a few reports.
const tortureBytes = 12 << 20
