package main

import (
	"context"
	"encoding/json"
	"os"
	"sync"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/pipeline"
)

// outbox is an uploader that appends each part of a report to a file, as one line of JSON.
type outbox struct {
	mu   sync.Mutex
	file *os.File
}

func openOutbox(path string) (*outbox, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &outbox{file: f}, err
}

// Upload implements pipeline.Uploader. It is called concurrently, and may be called again with a key that it has written
// already: a reader of the file drops a second line with the same key. After an error the part is retried with backoff;
// after one that is wrapped in pipeline.Permanent it is not.
func (o *outbox) Upload(_ context.Context, pt *part.Part) (*pipeline.Result, error) {
	r, err := pt.Report()
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(map[string]any{"key": pt.Key, "report": r})
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.file.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	return nil, o.file.Sync()
}

// String names the receiver for the operator.
func (o *outbox) String() string { return o.file.Name() }

// Close is called after the last upload.
func (o *outbox) Close() error { return o.file.Close() }
