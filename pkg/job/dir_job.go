package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	maxJobFile = 1 << 20 // size of a job file, in bytes
	maxAttempt = 1 << 20 // number of deliveries that a job file may state
)

// file is the content of a job file: a Spec with durations that people can write.
type file struct {
	*Spec
	Timeout  duration `json:"timeout"`
	LeaseTTL duration `json:"lease_ttl"`
}

// duration is a number of nanoseconds, or a string such as "5m".
type duration time.Duration

func (d *duration) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		return json.Unmarshal(b, (*int64)(d))
	}
	parsed, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("invalid duration %q (for example 90s, 5m, 1h30m)", text)
	}
	*d = duration(parsed)
	return nil
}

// readSpec reads a job file. Unknown keys are errors, because they are most likely misspelled.
func readSpec(path, name string) (s Spec, err error) {
	f, err := os.Open(path)
	if err != nil {
		return s, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxJobFile+1))
	if err != nil {
		return s, err
	}
	if len(b) > maxJobFile {
		return s, fmt.Errorf("file is larger than %d bytes", maxJobFile)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	read := file{Spec: &s}
	if err := dec.Decode(&read); err != nil {
		return s, err
	}
	s.Timeout, s.LeaseTTL = time.Duration(read.Timeout), time.Duration(read.LeaseTTL)
	if _, err := dec.Token(); err != io.EOF {
		return s, errors.New("file contains more than one JSON value")
	}
	if s.Timeout < 0 {
		return s, fmt.Errorf("timeout: %v is negative", s.Timeout)
	}
	if s.Scanner == "" || s.Target == "" {
		return s, fmt.Errorf("scanner %q and target %q must both be set", s.Scanner, s.Target)
	}
	if s.ID == "" {
		s.ID = strings.TrimSuffix(name, ".json")
	}
	s.setDefaults()
	s.Attempt = min(max(s.Attempt, 0), maxAttempt) + 1
	return s, nil
}

// dirJob is a Job of a Dir. Its file is in active/.
type dirJob struct {
	d    *Dir
	name string
	spec Spec

	mu    sync.Mutex
	ended bool
}

func (j *dirJob) Spec() Spec                   { return j.spec }
func (j *dirJob) Extend(context.Context) error { return nil }
func (j *dirJob) active() string               { return filepath.Join(j.d.path, "active", j.name) }

func (j *dirJob) Ack(context.Context) error {
	return j.end(func() error { return os.Remove(j.active()) })
}

// Nak writes the number of deliveries to the file, so that the agent's limit of attempts survives a restart.
func (j *dirJob) Nak(_ context.Context, delay time.Duration) error {
	return j.end(func() error {
		b, err := json.Marshal(j.spec)
		if err == nil {
			err = os.WriteFile(j.active()+".tmp", b, 0o600)
		}
		if err == nil {
			err = os.Rename(j.active()+".tmp", j.active())
		}
		if err != nil {
			return err
		}
		j.d.mu.Lock()
		j.d.later[j.name] = time.Now().Add(delay)
		j.d.mu.Unlock()
		return j.d.restore(j.name)
	})
}

func (j *dirJob) Fail(_ context.Context, reason string) error {
	return j.end(func() error {
		failed := filepath.Join(j.d.path, "failed", j.name)
		err := os.WriteFile(strings.TrimSuffix(failed, ".json")+".reason", []byte(reason+"\n"), 0o600)
		return errors.Join(err, os.Rename(j.active(), failed))
	})
}

// end calls do unless the job has ended before. A job whose do fails has not ended.
func (j *dirJob) end(do func() error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	j.ended = true
	j.d.mu.Lock()
	delete(j.d.active, j.name)
	j.d.mu.Unlock()
	return nil
}
