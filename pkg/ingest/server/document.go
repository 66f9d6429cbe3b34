package server

import (
	"crypto/sha256"
	"errors"

	"github.com/rediverio/sdk/internal/codec"
)

// document is one decoded part. Its findings keep their JSON as it was received, beside the few columns that queries use.
type document struct {
	ReportID   string
	ChunkIndex *int
	Tool       string
	findings   []row
	items      []item // assets and dependencies
	problems   []any  // strings; the items that were skipped, and why; at most maxProblems
	skipped    int
	rawBytes   int64
	rawSHA     [32]byte // hash of the JSON
}

// row is one finding.
type row struct {
	ident                          [20]byte // fingerprint, then asset: see identOf
	sum                            int64    // hash of the following, by which an unchanged finding is recognized
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

const (
	maxColumn   = 1024 // bytes of each column beside the JSON of a finding
	maxProblems = 50   // in the answer to one part
)

// readDocument decodes one part: a report, or {"report": …} around one. Its members may be in any order.
func readDocument(encoding string, data []byte, lim Limits) (*document, error) {
	raw, err := codec.Decode(encoding, data, lim.codec())
	if err != nil {
		return nil, err
	}
	p := newParser(raw, lim.MaxItems)
	if err := p.object(true); err != nil {
		return nil, err
	}
	if p.Peek(); p.Pos() < len(raw) {
		return nil, errors.New("JSON object is followed by other text")
	}
	p.doc.rawBytes, p.doc.rawSHA = int64(len(raw)), sha256.Sum256(raw)
	p.finish()
	return &p.doc, nil
}

// identOf returns the identity of a finding within its tenant. The hash of the fingerprint comes first, so that one index
// serves both the update of findings and the check of fingerprints.
func identOf(fingerprint, asset string) (id [20]byte) {
	f, a := sha256.Sum256([]byte(fingerprint)), sha256.Sum256([]byte(asset))
	copy(id[:identPrefix], f[:])
	copy(id[identPrefix:], a[:])
	return id
}

const identPrefix = 12
