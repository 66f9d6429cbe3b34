package resource

import (
	"io"
	"os"
	"runtime/metrics"
)

// HeapBytes returns the bytes of objects on the Go heap of this process, including dead ones that are not yet collected, or 0
// if the runtime does not report it. Unlike runtime.ReadMemStats it does not stop the program. It may be called concurrently.
func HeapBytes() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(s[0].Value.Uint64())
}

// maxOpenFiles bounds the number of descriptors that are counted.
const maxOpenFiles = 1 << 16

// openFiles returns the number of open descriptors of this process, except the one used for counting, or 0 if the system
// does not report it.
func openFiles() int {
	if systemRoot == "" {
		return 0
	}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0
	}
	defer dir.Close() // opened for reading
	names, err := dir.Readdirnames(maxOpenFiles)
	if err != nil && err != io.EOF {
		return 0
	}
	return max(len(names)-1, 0)
}
