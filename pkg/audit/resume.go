package audit

import "github.com/rediverio/sdk/pkg/audit/internal/logfile"

// resume finds the last line of the log: at the end of the current file or of the newest rotated one, or in the sidecar if that
// knows a later one. If the next line does not follow the last line of the current file, a header will state the reason.
func (lf *logFile) resume() (head logfile.Head, err error) {
	segs, err := logfile.Segments(lf.path)
	if err != nil {
		return head, err
	}
	var end logfile.Ending
	for i := len(segs) - 1; i >= 0 && i >= len(segs)-resumeFiles && !end.Found; i-- {
		current := segs[i].Path == lf.path
		if end, err = segs[i].End(); err != nil {
			return head, err
		}
		if current && segs[i].Info.Size() > 0 {
			lf.id, lf.headed, lf.filled, lf.ended = segs[i].Header.FileID, end.Found && end.Last, true, end.Trailer
			lf.after = logfile.AfterLoss
		} else if end.Found {
			lf.prevID, lf.after = segs[i].Header.FileID, logfile.AfterRestart
			if end.Trailer {
				lf.after = logfile.AfterRotation
			}
		}
	}
	if end.Found {
		lf.at = end.Place
	}
	head, ok, err := logfile.ReadHead(lf.path)
	if err != nil || !ok {
		lf.syncedAt = lf.at
		return head, err
	}
	if m, ok := head.Place(); ok && m.Seq > lf.at.Seq {
		lf.say(Event{Type: EventAuditRecovered, Severity: SeverityCritical, Message: "Lines at the end of the log are missing",
			Details: map[string]any{"first_seq": lf.at.Seq + 1, "last_seq": m.Seq}})
		lf.at, lf.headed, lf.after = m, false, logfile.AfterLoss
	}
	lf.syncedAt = lf.at
	return head, nil
}

// resumeFiles is the maximum number of files that resume searches for a line.
const resumeFiles = 16
