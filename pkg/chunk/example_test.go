package chunk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// How do I see what could not be uploaded, and try it again?
func ExampleStorage_RetryDead() {
	dir, err := os.MkdirTemp("", "chunks")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	cfg := chunk.DefaultConfig()
	cfg.DatabasePath = filepath.Join(dir, "chunks.db")
	store, err := chunk.NewManager(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	ctx := context.Background()
	if _, err := store.SubmitReport(ctx, &report.Report{Metadata: report.Metadata{ID: "scan-1"}}); err != nil {
		fmt.Println(err)
	}
	pt, _, err := store.Next(ctx) // a pipeline does this; here its server refuses the part
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := store.Settle(ctx, pt, part.Outcome{Kind: part.Dead, Err: errors.New("422 unprocessable")}); err != nil {
		fmt.Println(err)
	}

	dead, err := store.Storage().Reports(ctx, 0, chunk.StateFailed)
	if err != nil {
		fmt.Println(err)
	}
	for _, r := range dead {
		fmt.Println(r.ReportID, r.State, "-", r.LastError)
		n, err := store.Storage().RetryDead(ctx, r.ReportID)
		fmt.Println(n, "part is due again", err)
	}
	// Output:
	// scan-1 failed - 422 unprocessable
	// 1 part is due again <nil>
}
