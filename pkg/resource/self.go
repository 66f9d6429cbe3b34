package resource

import (
	"io"
	"os"
	"runtime/metrics"
)

// HeapBytes is what objects on the Go heap of this process take, dead ones not yet collected included; 0 where the runtime
// does not tell. Unlike runtime.ReadMemStats it stops nothing. It may be called concurrently.
func HeapBytes() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(s[0].Value.Uint64())
}

// maxOpenFiles bounds how many descriptors are counted.
const maxOpenFiles = 1 << 16

// openFiles counts the descriptors of this process, without the one it counts with; 0 where the system does not tell.
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
