package scan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/report"
)

// historyFile is the file of a history.
type historyFile struct {
	Version int     `json:"version"` // historyVersion
	Peaks   []peaks `json:"peaks"`
}

const (
	historyVersion  = 1
	maxHistoryBytes = 8 << 20 // more than maxPeaks of MaxLearnScans with the longest names take
	maxPeakBytes    = 1 << 50
)

// read takes what the file holds. A file that is damaged is as none, but for being told; the next write replaces it.
func (h *history) read() {
	if h.path == "" {
		return
	}
	f, err := os.Open(h.path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(f, maxHistoryBytes+1))
		_ = f.Close() // opened for reading
	}
	var seen []peaks
	if err == nil {
		seen, err = decodeHistory(b)
	}
	if err != nil {
		h.bad(fmt.Errorf("%s: %w", h.path, err))
		return
	}
	for i := range seen {
		seen[i].Bytes = last(seen[i].Bytes, h.keep)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = seen
}

// decodeHistory returns what b holds if all of it makes sense.
func decodeHistory(b []byte) ([]peaks, error) {
	if len(b) > maxHistoryBytes {
		return nil, fmt.Errorf("larger than %d bytes", maxHistoryBytes)
	}
	var f historyFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, err
	}
	if f.Version != historyVersion {
		return nil, fmt.Errorf("version %d, want %d", f.Version, historyVersion)
	}
	if len(f.Peaks) > maxPeaks {
		return nil, fmt.Errorf("%d entries, at most %d", len(f.Peaks), maxPeaks)
	}
	for _, p := range f.Peaks {
		if err := report.CheckID("scanner", p.Scanner); err != nil {
			return nil, err
		}
		if p.Class < 0 || p.Class > maxClass || len(p.Bytes) == 0 || len(p.Bytes) > MaxLearnScans {
			return nil, fmt.Errorf("scanner %s: class %d with %d scans", p.Scanner, p.Class, len(p.Bytes))
		}
		for _, n := range p.Bytes {
			if n <= 0 || n > maxPeakBytes {
				return nil, fmt.Errorf("scanner %s: %d bytes", p.Scanner, n)
			}
		}
	}
	return f.Peaks, nil
}

// write replaces the file as a whole, so that no crash leaves half of one.
func (h *history) write() error {
	if h.path == "" {
		return nil
	}
	h.file.Lock() // before the numbers are read: no older ones overwrite newer
	defer h.file.Unlock()
	h.mu.Lock()
	b, err := json.Marshal(historyFile{historyVersion, h.seen})
	h.mu.Unlock()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(h.path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(h.path+".tmp", h.path); err != nil {
		return err
	}
	if d, err := os.Open(filepath.Dir(h.path)); err == nil {
		_ = d.Sync() // not every system can; a rename that is lost loses one number
		_ = d.Close()
	}
	return nil
}
