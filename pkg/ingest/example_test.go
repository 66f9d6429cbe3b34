package ingest_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/server"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// How do I run a receiver of my own, upload a report to it and read the findings?
func Example() {
	dir, err := os.MkdirTemp("", "ingest")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	store, err := server.OpenStore(server.StoreConfig{Path: filepath.Join(dir, "ingest.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	handler, err := server.NewHandler(server.HandlerConfig{Store: store, Tokens: map[string]string{"my-secret-token": "acme"}})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- server.Serve(ctx, listener, handler) }()

	client, err := ingest.NewClient(ingest.ClientConfig{BaseURL: "http://" + listener.Addr().String(), Token: "my-secret-token"})
	if err != nil {
		log.Fatal(err)
	}
	parts, _, err := part.Split(&report.Report{
		Metadata: report.Metadata{ID: "scan-1"},
		Tool:     &report.Tool{Name: "gitleaks"},
		Findings: []*report.Finding{{Type: report.TypeSecret, Title: "Private key", Severity: report.High, RuleID: "private-key",
			Location: &report.Location{Path: "deploy/id_rsa", StartLine: 1}}},
	}, part.SplitConfig{})
	if err != nil {
		log.Fatal(err)
	}
	for _, pt := range parts {
		for range 2 { // sent again, it takes no effect
			res, err := client.Upload(ctx, pt)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("created:", res.FindingsCreated, "duplicate:", res.Duplicate)
		}
	}
	for f, err := range ingest.All(ctx, client, ingest.Query{MinSeverity: report.Medium}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %s %s:%d\n", f.Severity, f.Title, f.Path, f.Line)
	}
	client.Close()
	stop()
	if err := <-served; err != nil {
		log.Fatal(err)
	}
	// Output:
	// created: 1 duplicate: false
	// created: 1 duplicate: true
	// high Private key deploy/id_rsa:1
}
