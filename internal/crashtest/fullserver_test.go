package crashtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/ingesttest"
	"github.com/rediverio/sdk/pkg/ingest/server"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// A server whose disk is full says that it is unavailable, which no agent holds against a part; it still answers
// questions, and takes parts again when there is room.
func TestFullDiskOfServer(t *testing.T) {
	dir := smallDisk(t, 8<<20)
	if dir == "" {
		return
	}
	path, junk := filepath.Join(dir, "ingest.db"), filepath.Join(dir, "junk")
	open := func() *server.Store {
		store, err := server.OpenStore(server.StoreConfig{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
		return store
	}
	store := open()
	srv := ingesttest.New(t, ingesttest.WithConfig(func(c *server.HandlerConfig) { c.Store = store }))
	client := srv.Client()
	sent, refused := uploadUntilFull(t, client, junk)
	for range 3 {
		var e *ingest.Error
		if _, err := client.Upload(context.Background(), refused); !errors.As(err, &e) || !e.Unavailable() || e.Permanent() {
			t.Errorf("a full server answers %v", err)
		}
	}
	seen := func() (n int) {
		for _, err := range ingest.All(context.Background(), client, ingest.Query{Limit: ingest.MaxPageLimit}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if n := seen(); n != sent {
		t.Errorf("%d findings are visible of %d", n, sent)
	}
	if err := os.Remove(junk); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Upload(context.Background(), refused); err != nil {
		t.Fatal(err)
	}
	if n := seen(); n != sent+1 {
		t.Errorf("%d findings are visible of %d", n, sent+1)
	}
	l := newLedger()
	if err := l.sound(path); err != nil {
		t.Error(err)
	}
	for _, v := range l.violations {
		t.Error(v)
	}
}

// uploadUntilFull sends reports of one finding, fills the disk after some of them, and returns how many
// were taken, and the one that was not.
func uploadUntilFull(t *testing.T, client *ingest.Client, junk string) (sent int, refused *part.Part) {
	t.Helper()
	for i := range 100 {
		n := name{id: fmt.Sprintf("r%d", i)}
		r := n.head()
		r.Assets = []*report.Asset{n.asset()}
		r.Findings = []*report.Finding{n.finding(0, 0, 50<<10)}
		parts, _, err := part.Split(r, part.SplitConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Upload(context.Background(), parts[0]); err != nil {
			t.Logf("after %d reports: %v", sent, err)
			return sent, parts[0]
		}
		if sent++; sent == 20 {
			occupy(t, junk)
		}
	}
	t.Fatal("the disk takes more than it has")
	return 0, nil
}
