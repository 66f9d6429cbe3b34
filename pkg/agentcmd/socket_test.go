package agentcmd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rediverio/sdk/pkg/agentcmd/internal/control"
)

// A status_addr that names a file by mistake must not cost that file.
func TestStatusSocketReplacesNothingButASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := control.Listen(path); err == nil {
		_ = l.Close()
		t.Error("a file was replaced by a socket")
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "data" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}
