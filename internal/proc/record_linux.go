package proc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// record is what it takes to end the processes of a child when the process that started it is dead. The first line of its
// file is on disk before the child exists, the second follows when its pid is known; who died in between left a child
// with the marker, in the leaf.
type record struct {
	Boot    string `json:"boot,omitempty"`    // pids mean nothing after another
	Owner   string `json:"owner,omitempty"`   // who started the child
	Session int    `json:"session,omitempty"` // of the owner, and of what does not leave it
	Marker  string `json:"marker,omitempty"`
	Leaf    string `json:"leaf,omitempty"` // directory

	PID   int    `json:"pid,omitempty"`
	Start uint64 `json:"start,omitempty"` // in clock ticks since boot
}

// maxRecord bounds a record's file.
const maxRecord = 16 << 10

// newRecord describes a child to come.
func newRecord(marker string, leaf *leaf) record {
	sid, _ := unix.Getsid(0) // of ourselves it never fails
	r := record{Boot: bootID(), Owner: Owner(), Session: sid, Marker: marker}
	if leaf != nil {
		r.Leaf = leaf.dir
	}
	return r
}

// create makes the file of a record, which must not exist, and returns it once its first line is on disk. It stays open
// for the second: a scanner could have put anything in its place by then.
func (r record) create(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(r.write(f), f.Sync()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// write adds r to the file as one line.
func (r record) write(f *os.File) error {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	return err
}

// readRecord reads what write wrote. A torn line is as if it was not there; ok is false when nothing can be read. What is
// no regular file is not waited for.
func readRecord(name string) (r record, ok bool) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return record{}, false
	}
	defer f.Close() // opened for reading
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return record{}, false
	}
	b, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return record{}, false
	}
	return parseRecord(b)
}

func parseRecord(b []byte) (r record, ok bool) {
	for line := range bytes.Lines(b) {
		next := r
		if json.Unmarshal(line, &next) == nil {
			r = next
		}
	}
	sane := r.Boot != "" && r.Owner != "" && r.PID >= 0 && r.Session >= 0 && (r.PID == 0) == (r.Start == 0) &&
		(r.Marker == "" || ownerIn(r.Marker) == r.Owner) &&
		(r.Leaf == "" || filepath.IsAbs(r.Leaf) && OwnerOf(filepath.Base(r.Leaf), leafPrefix) == r.Owner)
	if !sane {
		return record{}, false
	}
	return r, true
}

// bootID names the time since the machine started.
func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// execTime is how long a child that has been forked may take to its program, where it gets its marker.
const execTime = 2 * time.Second

// find returns those of all processes that are the child or carry its marker. Being in its group tells only where nothing
// carries: the number may be that of a later group of the same session whose leader has ended, as of a shell's pipeline.
func (r record) find(all []stat) (found []stat) {
	now, ok := readStat(r.PID)
	reused := ok && now.start != r.Start || r.Marker != "" && marks() // then the group is another's, too
	for _, s := range all {
		leader := s.pid == r.PID && s.start == r.Start
		group := r.PID > 0 && !reused && s.pgrp == r.PID && s.session == r.Session && s.start >= r.Start
		if leader || group || carries(s, r.Marker) {
			found = append(found, s)
		}
	}
	return found
}
