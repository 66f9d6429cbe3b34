package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/rediverio/sdk/internal/retry"
	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// rotator renames a log to a name with the time of the rotation. There is one per process, because every lumberjack.Logger
// that was used once keeps a goroutine forever. It holds no file and no state between two rotations. Package audit itself
// handles the cases in which lumberjack loses lines: it overwrites a file of the same millisecond, refuses lines larger than
// its maximum size, and stops writing after a failed rename.
var rotator struct {
	sync.Mutex
	lumberjack.Logger
}

// rotatePauses are the pauses after failed rotations. Meanwhile the file grows beyond its maximum size.
var rotatePauses = retry.Policy{Initial: 10 * time.Second, Max: time.Hour}

// fit returns the size of the whole lines at the start of lines that fit into the file; 0 means that it must be rotated first.
// One line fits into an empty file, whatever its size.
func (lf *logFile) fit(lines []byte) int {
	if lf.damaged {
		return 0
	}
	room := lf.max - lf.size - lf.trailerRoom()
	if !lf.headed {
		room -= lf.trailerRoom()
	}
	if lf.max <= 0 || int64(len(lines)) <= room || lf.now().Before(lf.retryRotate) {
		return len(lines)
	}
	if n := bytes.LastIndexByte(lines[:max(0, room)], '\n') + 1; n > 0 || lf.filled {
		return n
	}
	return bytes.IndexByte(lines, '\n') + 1
}

// rotate renames the file and opens a new one. A file that cannot be renamed remains in use, because an oversize log is better
// than none. The caller has synced the lines.
func (lf *logFile) rotate() error {
	before, err := lf.f.Stat()
	if err != nil {
		return err
	}
	size := lf.size
	if err = lf.awaitFreeName(); err == nil {
		if !lf.damaged {
			if err := lf.end(); err != nil {
				return err
			}
		}
		if err := lf.close(); err != nil && !lf.damaged { // Windows does not rename an open file
			return err
		}
		rotator.Lock()
		rotator.Filename = lf.path
		err = errors.Join(rotator.Rotate(), rotator.Close())
		rotator.Unlock()
	}
	// The error does not tell whether the file was renamed: a later step may have failed.
	after, serr := os.Lstat(lf.path)
	if moved := serr != nil || !os.SameFile(before, after); !moved {
		lf.rotateFailures++
		lf.retryRotate, lf.damaged = lf.now().Add(rotatePauses.Delay(lf.rotateFailures)), false
		lf.say(Event{Type: EventAuditError, Severity: SeverityError, Message: "The log could not be rotated and continues to grow",
			Error: fmt.Sprint(err), Details: map[string]any{"bytes": size}})
	} else {
		lf.rotated++
		lf.rotateFailures = 0
		lf.moved()
	}
	if lf.f == nil {
		return lf.open()
	}
	return nil
}

// moved records that the next line begins a new file.
func (lf *logFile) moved() {
	if lf.ended {
		lf.after = logfile.AfterRotation
	}
	lf.prevID, lf.id, lf.headed, lf.filled, lf.ended = lf.id, "", false, false, false
}

// awaitFreeName waits for at most some milliseconds until no rotated file has a name that the next one may get, because a
// rename would replace that file without an error. If the clock was set back, such names may exist for longer; then
// awaitFreeName returns an error, and the rotation is tried again later.
func (lf *logFile) awaitFreeName() error {
	taken, err := logfile.RotatedFiles(lf.path)
	if err != nil {
		return err
	}
	for range 10 {
		now := lf.now().UTC().Truncate(time.Millisecond)
		if !slices.ContainsFunc(taken, func(b logfile.Segment) bool {
			return !b.Stamp.Before(now) && b.Stamp.Before(now.Add(time.Second)) // the rename happens a moment later
		}) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("the name of the next rotated file is taken: did the clock go back?")
}
