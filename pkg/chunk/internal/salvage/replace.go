package salvage

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/chunk/internal/walimage"
)

// A damaged store is replaced in steps, so that a process killed at any of them leaves the store either as it was or
// replaced:
//
//	chunks.db.salvaging         the new store while it is filled; the next start begins anew
//	chunks.db.salvaged-<time>   the new store, complete and synced: from this rename on it is in force
//	chunks.db.corrupt-<time>    the damaged database, with its -wal and -shm, and the report of the salvage as .json
//	chunks.db                   the new store
const (
	SalvagingSuffix = ".salvaging"
	SalvagedSuffix  = ".salvaged-"
	CorruptSuffix   = ".corrupt-"

	stampFormat = "20060102T150405.000000"
)

// KeepCorrupt is the number of damaged stores that are kept, so that a failing disk is not filled with them.
const KeepCorrupt = 3

// replace fills a new store from the damaged one and puts it in its place.
func (s *Store) replace(f *walimage.Files, cause error) error {
	found, err := s.Fill(s.Path+SalvagingSuffix, f)
	if err != nil {
		return fmt.Errorf("salvage %s, which is damaged (%w): %w", s.Path, cause, err)
	}
	f.Close()
	found.Cause = cause.Error()
	stamp := time.Now().UTC().Format(stampFormat)
	found.Write(s.Path + CorruptSuffix + stamp + ".json")
	if err := os.Rename(s.Path+SalvagingSuffix, s.Path+SalvagedSuffix+stamp); err != nil {
		return err
	}
	syncDir(s.Path)
	return s.finishReplacing()
}

// finishReplacing renames the damaged files and puts the new store in their place, if there is a complete one.
func (s *Store) finishReplacing() error {
	stamp, err := salvagedStamp(s.Path)
	if err != nil || stamp == "" {
		return err
	}
	corrupt := s.Path + CorruptSuffix + stamp
	if err := sqlitedb.Rename(s.Path, corrupt); err != nil {
		return err
	}
	if err := os.Rename(s.Path+SalvagedSuffix+stamp, s.Path); err != nil {
		return err
	}
	syncDir(s.Path)
	found := Report{Incomplete: true} // unless the report can be read
	if b, err := os.ReadFile(corrupt + ".json"); err == nil {
		_ = json.Unmarshal(b, &found)
	}
	e := found.event(s.Path, corrupt)
	e.Details["removed"] = removeOldest(s.Path)
	s.Sink.Record(e)
	return nil
}

// removeOldest removes all but the newest KeepCorrupt damaged stores and returns the names of their files.
func removeOldest(path string) (removed []string) {
	files, _ := os.ReadDir(filepath.Dir(path)) // sorted by name, and so by time
	stamps := map[string]bool{}
	for _, f := range slices.Backward(files) {
		rest, ok := strings.CutPrefix(f.Name(), filepath.Base(path)+CorruptSuffix)
		if !ok {
			continue
		}
		if stamp := rest[:min(len(rest), len(stampFormat))]; stamps[stamp] || len(stamps) < KeepCorrupt {
			stamps[stamp] = true
		} else if os.Remove(filepath.Join(filepath.Dir(path), f.Name())) == nil {
			removed = append(removed, f.Name())
		}
	}
	return removed
}

// salvagedStamp returns the time of a replacement that was not finished, or "" if there is none.
func salvagedStamp(path string) (string, error) {
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if stamp, ok := strings.CutPrefix(f.Name(), filepath.Base(path)+SalvagedSuffix); ok {
			return stamp, nil
		}
	}
	return "", nil
}

// syncDir makes renames durable on systems that support it.
func syncDir(path string) {
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
