package server

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/internal/codec"
)

// document is one part, read once: the findings keep their JSON as it came, beside the few columns that are
// asked for later.
type document struct {
	ReportID   string
	ChunkIndex *int
	Tool       string
	findings   []row
	items      []item // assets and dependencies
	problems   []any  // strings; what was not taken, and why; bounded
	skipped    int
	rawBytes   int64
	rawSHA     [32]byte // of the JSON
}

// row is one finding.
type row struct {
	ident                          [20]byte // fingerprint, then asset: see identOf
	sum                            int64    // of everything below, to know an unchanged finding
	rank, line                     int
	rule, path, title, fingerprint string
	asset, assetRef                string
	data                           []byte
}

// item is one asset or dependency.
type item struct {
	kind  string // itemAsset or itemDependency
	ident []byte
	name  string
	data  []byte
}

const (
	itemAsset      = "asset"
	itemDependency = "dependency"
)

// The bounds of what is kept of one finding beside its JSON, and of what is said of one part.
const (
	maxColumn   = 1024 // bytes
	maxProblems = 50
)

// limitError says that a part has too many of something.
type limitError struct {
	what     string
	max, got int
}

func (e *limitError) Error() string {
	return fmt.Sprintf("%s: %d is over the bound %d", e.what, e.got, e.max)
}

// readDocument decodes one part: a report, or {"report": …} around one. Its members may come in any order.
func readDocument(encoding string, data []byte, lim Limits) (*document, error) {
	raw, err := codec.Decode(encoding, data, lim.codec())
	if err != nil {
		return nil, err
	}
	p := newParser(raw, lim.MaxItems)
	if err := p.object(true); err != nil {
		return nil, err
	}
	if p.peek(); p.at < len(raw) {
		return nil, errors.New("there is more behind the JSON object")
	}
	p.doc.rawBytes, p.doc.rawSHA = int64(len(raw)), sha256.Sum256(raw)
	p.finish()
	return &p.doc, nil
}

// identOf is what a finding is known by within its tenant. The fingerprint's hash comes first, so that one index
// serves both the upsert and the question whether a fingerprint is known.
func identOf(fingerprint, asset string) (id [20]byte) {
	f, a := sha256.Sum256([]byte(fingerprint)), sha256.Sum256([]byte(asset))
	copy(id[:identPrefix], f[:])
	copy(id[identPrefix:], a[:])
	return id
}

const identPrefix = 12
