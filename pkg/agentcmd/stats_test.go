package agentcmd

import (
	"context"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/ingest/server"
)

// stats are the numbers of the agent's own ingest store.
func (h *home) stats() *ingest.Stats {
	h.t.Helper()
	store, err := server.OpenStore(server.StoreConfig{Path: storePath(filepath.Join(h.state, "ingest")), ReadOnly: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer store.Close()
	s, err := store.Tenant(localTenant).Stats(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}
