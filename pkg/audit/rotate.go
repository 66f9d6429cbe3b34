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

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// rotator moves a log aside under a name with the time in it. There is one for the process, and it only ever
// rotates, because every lumberjack.Logger that is used keeps a goroutine for good. It holds no file and no state
// between two rotations. Everything in which lumberjack alone loses lines is decided here: it renames over a file
// of the same millisecond, refuses lines over its size, and writes no more after a failed rename.
var rotator struct {
	sync.Mutex
	lumberjack.Logger
}

// The pauses after rotations that failed, doubling from the first to the last; the file grows over its size meanwhile.
const (
	firstRotatePause = 10 * time.Second
	lastRotatePause  = time.Hour
)

// fit returns how many bytes of lines, whole ones, the file takes; 0: it is to be rotated first. A file without
// lines takes one of any size.
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

// rotate moves the file aside and opens a new one. What cannot be moved is kept in use, for an oversize log is
// better than none. The caller has synced the lines.
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
		if err := lf.close(); err != nil && !lf.damaged { // closed also because Windows does not rename an open file
			return err
		}
		rotator.Lock()
		rotator.Filename = lf.path
		err = errors.Join(rotator.Rotate(), rotator.Close())
		rotator.Unlock()
	}
	// What counts is what happened, not what was reported: a rename may have worked and the rest not.
	after, serr := os.Lstat(lf.path)
	if moved := serr != nil || !os.SameFile(before, after); !moved {
		lf.rotatePause = min(max(2*lf.rotatePause, firstRotatePause), lastRotatePause)
		lf.retryRotate, lf.damaged = lf.now().Add(lf.rotatePause), false
		lf.say(Event{Type: EventAuditError, Severity: SeverityError, Message: "The log was not rotated and grows on",
			Error: fmt.Sprint(err), Details: map[string]any{"bytes": size}})
	} else {
		lf.rotated++
		lf.rotatePause = 0
		lf.moved()
	}
	if lf.f == nil {
		return lf.open()
	}
	return nil
}

// moved notes that the next line goes into a new file.
func (lf *logFile) moved() {
	if lf.ended {
		lf.after = logfile.AfterRotation
	}
	lf.prevID, lf.id, lf.headed, lf.filled, lf.ended = lf.id, "", false, false, false
}

// awaitFreeName waits, for some milliseconds at most, until no rotated file has a name that the next one may get: a
// rename would go over it without an error. With a clock that went back names ahead may be taken for longer; then
// the rotation is put off.
func (lf *logFile) awaitFreeName() error {
	taken, err := logfile.RotatedFiles(lf.path)
	if err != nil {
		return err
	}
	for range 10 {
		now := lf.now().UTC().Truncate(time.Millisecond)
		if !slices.ContainsFunc(taken, func(b logfile.Segment) bool {
			return !b.Stamp.Before(now) && b.Stamp.Before(now.Add(time.Second)) // the rename comes a moment after this look
		}) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("the name of the next rotated file is taken: did the clock go back?")
}
