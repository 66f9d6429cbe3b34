package sdk_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/agent"
	"github.com/rediverio/sdk/pkg/chunk"
	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/server"
	"github.com/rediverio/sdk/pkg/job"
	"github.com/rediverio/sdk/pkg/pipeline"
	"github.com/rediverio/sdk/pkg/report"
	"github.com/rediverio/sdk/pkg/sdktest"
)

// A whole agent: a job becomes a scan, the scan a report on disk, and the report findings on a server. The server is the
// SDK's own. The scanner and the host are fakes: scan.NewRunner runs real scanners such as Gitleaks, and without a Sampler
// the agent measures its host.
func Example() {
	dir, err := os.MkdirTemp("", "agent")
	check(err)
	defer os.RemoveAll(dir)

	// The server. A token identifies a tenant.
	store, err := server.OpenStore(server.StoreConfig{Path: filepath.Join(dir, "server.db")})
	check(err)
	defer store.Close()
	handler, err := server.NewHandler(server.HandlerConfig{Store: store, Tokens: map[string]string{"a-secret-token-of-acme": "acme"}})
	check(err)
	server := httptest.NewServer(handler)
	defer server.Close()
	client, err := ingest.NewClient(ingest.ClientConfig{BaseURL: server.URL, Token: "a-secret-token-of-acme"})
	check(err)
	defer client.Close()

	// The agent. Reports in the spool survive a crash.
	spoolConfig := chunk.DefaultConfig()
	spoolConfig.DatabasePath = filepath.Join(dir, "chunks.db")
	spool, err := chunk.NewManager(spoolConfig)
	check(err)
	defer spool.Close()
	config := agent.Config{
		Source:   job.NewList(job.Spec{Scanner: "gitleaks", Target: "/src/shop"}, job.Spec{Scanner: "semgrep", Target: "/src/shop"}),
		Scanner:  new(sdktest.Scanner),
		Uploader: client,
		Pipeline: pipeline.PipelineConfig{Spool: spool},
	}
	config.Resource.Sampler = new(sdktest.Sampler)
	a, err := agent.New(config)
	check(err)
	check(a.Run(context.Background()))

	for f, err := range ingest.All(context.Background(), client, ingest.Query{MinSeverity: report.High}) {
		check(err)
		fmt.Printf("%s %s %s:%d\n", f.Severity, f.Title, f.Path, f.Line)
	}
	// Both scans reported the same finding, which the server stores once.
	s := a.Status()
	fmt.Println("jobs:", s.JobsCompleted, "uploaded:", s.Pipeline.Completed)
	// Output:
	// high Finding 1 file-1.go:1
	// jobs: 2 uploaded: 2
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
