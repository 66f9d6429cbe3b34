package main

import (
	"errors"
	"testing"

	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
)

func TestNoScanOnADiskThatIsNearlyFull(t *testing.T) {
	r, err := scan.NewRunner(scan.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const moreThanThereIs = 1 << 30 // MiB: a pebibyte
	g := &diskGuard{r, limits.FileSystemLimits{MinFreeDiskSpaceMB: moreThanThereIs}, t.TempDir()}
	_, err = g.Scan(t.Context(), scan.Request{Scanner: "gitleaks", Target: t.TempDir()}, func(*report.Report) (report.Writer, error) {
		t.Error("a report was begun")
		return nil, errors.New("unwanted")
	})
	var limit *limits.ErrLimit
	var passing interface{ Temporary() bool }
	if !errors.As(err, &limit) || limit.Field != "min_free_disk_space_mb" || !errors.As(err, &passing) || !passing.Temporary() {
		t.Fatalf("%v: want a passing ErrLimit", err)
	}
}
