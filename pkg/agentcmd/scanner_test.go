package agentcmd

import (
	"errors"
	"testing"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/limits"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/scan"
	"github.com/rediverio/sdk/pkg/sdktest"
)

func TestNoScanOnADiskThatIsNearlyFull(t *testing.T) {
	r, err := scan.NewRunner(scan.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var events sdktest.Recorder
	const moreThanThereIs = 1 << 30 // MiB: a pebibyte
	dir := t.TempDir()
	g := &scanner{Runner: r, checkDisk: func() error { return limits.FileSystemLimits{MinFreeDiskSpaceMB: moreThanThereIs}.FreeSpace(dir) }, dir: dir, sink: &events}
	_, err = g.Scan(t.Context(), scan.Request{JobID: "job", Scanner: "gitleaks", Target: t.TempDir()}, func(*report.Report) (part.Writer, error) {
		t.Error("a report was begun")
		return nil, errors.New("unwanted")
	})
	var limit *limits.LimitError
	var passing interface{ Temporary() bool }
	if !errors.As(err, &limit) || limit.Field != "limits.file_system.min_free_disk_space_mb" || !errors.As(err, &passing) || !passing.Temporary() {
		t.Fatalf("%v: want a passing LimitError", err)
	}
	warned := events.OfType(event.ResourceWarning)
	if len(warned) != 1 || warned[0].JobID != "job" || warned[0].Details["resource"] != "disk" || warned[0].Details["unit"] != "MiB" ||
		warned[0].Details["value"] != limit.Value || warned[0].Details["limit"] != float64(moreThanThereIs) {
		t.Errorf("%+v", warned)
	}
}
