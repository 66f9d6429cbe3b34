package salvage

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/rediverio/sdk/pkg/event"
)

// Report is the result of a salvage. It is kept beside the damaged files and recorded as an event.
type Report struct {
	Cause           string       `json:"cause"`
	Found           int64        `json:"reports_found"` // visible reports that are not finished or have dead letters
	Salvaged        int64        `json:"reports_salvaged"`
	Lost            int64        `json:"reports_lost"`
	LostIDs         []LostReport `json:"lost"` // lost reports whose ID is readable, at most maxLostIDs
	FinishedKept    int64        `json:"finished_kept"`
	FinishedLost    int64        `json:"finished_lost"`
	DeadParts       int64        `json:"dead_parts"` // dead letters kept
	UnreadableParts int64        `json:"unreadable_parts"`
	BadFrames       int          `json:"bad_wal_frames"`
	Incomplete      bool         `json:"incomplete"` // there may be lost reports that are not visible
	NoSpace         bool         `json:"no_space"`   // the disk was full before everything was copied
	Cut             bool         `json:"cut"`        // salvageTime was over before everything was copied
}

// LostReport names a report that was lost.
type LostReport struct {
	Tenant string `json:"tenant,omitempty"`
	ID     string `json:"id"`
}

// maxLostIDs bounds the IDs in the file, maxEventIDs those in the event.
const (
	maxLostIDs  = 1000
	maxEventIDs = 100
)

// Write writes the report to a file. It ignores errors: a full disk must not keep the agent from starting.
func (r Report) Write(path string) {
	if b, err := json.MarshalIndent(r, "", "\t"); err == nil {
		_ = os.WriteFile(path, b, 0o600)
	}
}

func (r Report) event(path, corrupt string) event.Event {
	ids := []string{}
	for _, l := range r.LostIDs[:min(len(r.LostIDs), maxEventIDs)] {
		if l.Tenant != "" {
			l.ID = l.Tenant + "/" + l.ID
		}
		ids = append(ids, l.ID)
	}
	message := fmt.Sprintf("chunk store was damaged and is replaced: of %d unfinished reports, %d were salvaged and %d lost; the damaged files are kept", r.Found, r.Salvaged, r.Lost)
	if r.Found == 1 {
		message = fmt.Sprintf("chunk store was damaged and is replaced: of 1 unfinished report, %d was salvaged and %d lost; the damaged files are kept", r.Salvaged, r.Lost)
	}
	if r.Incomplete {
		message += "; reports of which nothing is readable may be lost, too"
	}
	return event.Event{
		Type: event.AgentError, Severity: event.Critical, Message: message, Error: r.Cause,
		Details: map[string]any{
			"path": path, "moved_to": corrupt, "reports_found": r.Found, "reports_salvaged": r.Salvaged, "reports_lost": r.Lost, "lost_ids": ids,
			"finished_kept": r.FinishedKept, "finished_lost": r.FinishedLost, "dead_parts": r.DeadParts, "unreadable_parts": r.UnreadableParts,
			"bad_wal_frames": r.BadFrames, "incomplete": r.Incomplete, "no_space": r.NoSpace, "cut": r.Cut,
		},
	}
}
