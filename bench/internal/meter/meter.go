// Package meter reads the resources that this process has used, and computes medians and quantiles.
package meter

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Usage has the resources that this process has used since it began. A figure that the platform does not have is zero.
type Usage struct {
	CPU     time.Duration // user and system time of all threads
	Written int64         // bytes the system wrote to disk for it: file data and metadata without the journal's copies
}

// Since returns the use since an earlier moment.
func Since(before Usage) Usage {
	now := Now()
	return Usage{now.CPU - before.CPU, now.Written - before.Written}
}

// DiskBytes returns the blocks that the files under dir take, in bytes.
func DiskBytes(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if os.IsNotExist(err) { // a file that its queue removed meanwhile
			return nil
		}
		if err == nil {
			n += blocks(info)
		}
		return err
	})
	return n, err
}

// Settle collects garbage, so that the next measurement does not pay for the previous one.
func Settle() {
	runtime.GC()
	runtime.GC() // the second collection frees memory that finalizers held
}

// Median returns the middle of the values, or of the two in the middle the mean; 0 for none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// Quantile returns the smallest value that at least the share q of the values do not exceed; 0 for none. It sorts values.
func Quantile[T cmp.Ordered](values []T, q float64) (v T) {
	if len(values) == 0 {
		return v
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}
