package chunk

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/sqlitedb"
	"github.com/rediverio/sdk/pkg/event"
)

// A damaged store is replaced in steps, so that a process killed at any of them leaves it as it was or as it is to be:
//
//	chunks.db.salvaging         the new store while it is filled; whoever finds it begins anew
//	chunks.db.salvaged-<time>   the new store, complete and synced: from this rename on it counts
//	chunks.db.corrupt-<time>    the damaged database, with its -wal and -shm, and what came of it as .json
//	chunks.db                   the new store
const (
	salvagingSuffix = ".salvaging"
	salvagedSuffix  = ".salvaged-"
	asideSuffix     = ".corrupt-"
	stampFormat     = "20060102T150405.000000"
)

// replace fills a new store from the damaged one and puts it in its place.
func replace(path string, f *storeFiles, c Config, keys *keyring, cause error) error {
	found, err := salvageInto(path+salvagingSuffix, f, keys, sqlitedb.Reserve{Path: path + ".reserve", Size: reserveShare(c.maxBytes())})
	if err != nil {
		return fmt.Errorf("salvage %s, which is damaged (%w): %w", path, cause, err)
	}
	f.close()
	found.Cause = cause.Error()
	stamp := time.Now().UTC().Format(stampFormat)
	found.write(path + asideSuffix + stamp + ".json")
	if err := os.Rename(path+salvagingSuffix, path+salvagedSuffix+stamp); err != nil {
		return err
	}
	syncDir(path)
	return finishReplacing(path, c.Sink)
}

// write keeps what came of a salvage. A disk too full for it must not keep the agent from starting.
func (s salvaged) write(path string) {
	if b, err := json.MarshalIndent(s, "", "\t"); err == nil {
		_ = os.WriteFile(path, b, 0o600)
	}
}

// finishReplacing sets the damaged files aside and puts the new store in their place, where there is one that is complete.
func finishReplacing(path string, sink event.Sink) error {
	stamp, err := salvagedStamp(path)
	if err != nil || stamp == "" {
		return err
	}
	aside := path + asideSuffix + stamp
	if err := sqlitedb.Rename(path, aside); err != nil {
		return err
	}
	if err := os.Rename(path+salvagedSuffix+stamp, path); err != nil {
		return err
	}
	syncDir(path)
	found := salvaged{Incomplete: true} // unless it was written down
	if b, err := os.ReadFile(aside + ".json"); err == nil {
		_ = json.Unmarshal(b, &found)
	}
	e := found.event(path, aside)
	e.Details["removed"] = removeOldest(path)
	sink.Record(e)
	return nil
}

// keepAside is how many damaged stores are kept: a disk that spoils each new one must not be filled by them.
const keepAside = 3

// removeOldest removes the files set aside longest ago, and returns their names.
func removeOldest(path string) (removed []string) {
	files, _ := os.ReadDir(filepath.Dir(path)) // sorted, and so by time
	stamps := map[string]bool{}
	for _, f := range slices.Backward(files) {
		rest, ok := strings.CutPrefix(f.Name(), filepath.Base(path)+asideSuffix)
		if !ok {
			continue
		}
		if stamp := rest[:min(len(rest), len(stampFormat))]; stamps[stamp] || len(stamps) < keepAside {
			stamps[stamp] = true
		} else if os.Remove(filepath.Join(filepath.Dir(path), f.Name())) == nil {
			removed = append(removed, f.Name())
		}
	}
	return removed
}

// salvagedStamp returns the time of a replacement that was begun and not ended, or nothing.
func salvagedStamp(path string) (string, error) {
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if stamp, ok := strings.CutPrefix(f.Name(), filepath.Base(path)+salvagedSuffix); ok {
			return stamp, nil
		}
	}
	return "", nil
}

// syncDir makes renames durable, where the system can.
func syncDir(path string) {
	if d, err := os.Open(filepath.Dir(path)); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// maxEventIDs bounds the list in the event; the file beside the damaged database has up to maxLostIDs.
const maxEventIDs = 100

func (s salvaged) event(path, aside string) event.Event {
	ids := []string{}
	for _, l := range s.LostIDs[:min(len(s.LostIDs), maxEventIDs)] {
		if l.Tenant != "" {
			l.ID = l.Tenant + "/" + l.ID
		}
		ids = append(ids, l.ID)
	}
	message := fmt.Sprintf("chunk store was damaged; of %d reports that were not finished %d are salvaged and %d lost; what is damaged is set aside", s.Found, s.Salvaged, s.Lost)
	if s.Incomplete {
		message += "; more may be lost of which nothing can be seen"
	}
	return event.Event{
		Type: event.AgentError, Severity: event.Critical, Message: message, Error: s.Cause,
		Details: map[string]any{
			"path": path, "moved_to": aside, "reports_found": s.Found, "reports_salvaged": s.Salvaged, "reports_lost": s.Lost, "lost_ids": ids,
			"finished_kept": s.FinishedKept, "finished_lost": s.FinishedLost, "dead_parts": s.DeadParts, "unreadable_parts": s.UnreadableParts,
			"bad_wal_frames": s.BadFrames, "incomplete": s.Incomplete, "no_space": s.NoSpace, "cut": s.Cut,
		},
	}
}
