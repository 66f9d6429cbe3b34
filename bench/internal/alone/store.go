package alone

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/rediverio/sdk/pkg/chunk"
)

// OpenStore opens an empty store that does not pace its uploads, in a directory of its own below parent; shut closes it
// and removes its files.
func OpenStore(parent string) (m *chunk.Manager, shut func(), err error) {
	s, err := openStore(parent, func(*chunk.Config) {})
	return s.Manager, s.shut, err
}

type store struct {
	*chunk.Manager
	dir string
}

func openStore(parent string, change func(*chunk.Config)) (s store, err error) {
	if s.dir, err = os.MkdirTemp(parent, "bench-alone-"); err != nil {
		return s, err
	}
	cfg := chunk.DefaultConfig()
	cfg.DatabasePath = filepath.Join(s.dir, "chunks.db")
	cfg.MaxStorageMB = -1
	cfg.UploadDelayMs = -1
	change(cfg)
	if s.Manager, err = chunk.NewManager(cfg); err != nil {
		return s, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

// An error of shut changes no measurement, and the directory is temporary, so it is ignored.
func (s store) shut() {
	_ = s.Close()
	_ = os.RemoveAll(s.dir)
}
