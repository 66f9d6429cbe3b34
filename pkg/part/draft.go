package part

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"sync"

	"github.com/rediverio/sdk/internal/codec"
	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/report"
)

// draft is a part in preparation. The Splitter adds items until it is full; then a worker makes the Part.
type draft struct {
	findings, dependencies list
	order                  []int // indexes of its assets
	assetBytes             int64
	held                   []held // its items, while the report may still stay whole

	// Set when the draft is full.
	assets [][]byte // JSON of the assets
	part   *Part
	out    []byte   // JSON of the part, which begins with the report's head
	raw    [32]byte // hash of out
	packed []byte   // compression buffer
	work   sync.WaitGroup
}

// drafts recycles the buffers of drafts.
var drafts = sync.Pool{New: func() any { return &draft{} }}

// release returns the draft to the pool.
func (d *draft) release() {
	clear(d.assets)
	d.findings = list{json: d.findings.json[:0]}
	d.dependencies = list{json: d.dependencies.json[:0]}
	d.order, d.held, d.assets, d.assetBytes, d.part = d.order[:0], d.held[:0], d.assets[:0], 0, nil
	drafts.Put(d)
}

// list is a sequence of JSON values separated by commas.
type list struct {
	json []byte
	n    int
}

// add appends a value and returns the index of its end.
func (l *list) add(b []byte) (end int) {
	if l.n > 0 {
		l.json = append(l.json, ',')
	}
	l.json = append(l.json, b...)
	l.n++
	return len(l.json)
}

func (d *draft) list(kind itemKind) *list {
	if kind == dependencyItem {
		return &d.dependencies
	}
	return &d.findings
}

func (d *draft) items() int { return d.findings.n + d.dependencies.n }

// size returns the bytes of the items, without most of their commas.
func (d *draft) size() int64 {
	return int64(len(d.findings.json)) + int64(len(d.dependencies.json)) + d.assetBytes
}

// envelopeRoom is reserved in each part for the members between its head and its items.
const envelopeRoom = report.MaxIDLen + 256

// over reports whether the part would break a bound with these additional items. An empty part does not.
func (d *draft) over(cfg SplitConfig, room, size int64, items, assets int) bool {
	if d.items()+len(d.order) == 0 {
		return false
	}
	return items > 0 && d.items()+items > cfg.MaxFindings ||
		assets > 0 && len(d.order)+assets > cfg.MaxAssets ||
		d.size()+size+int64(len(d.order)+items+assets) > room // with their commas
}

// make completes p from the draft. out holds the JSON of the report's head.
func (d *draft) make(p *Part, cfg SplitConfig) {
	out := slices.Grow(d.out[:len(d.out)-1], int(d.size())+len(d.order)+envelopeRoom)
	if p.Index > 0 || !p.Final { // a single part is a plain report
		out = append(jsonx.AppendString(append(out, `,"report_id":`...), p.ReportID), `,"chunk_index":`...)
		out = append(strconv.AppendInt(out, int64(p.Index), 10), `,"is_final":`...)
		out = strconv.AppendBool(out, p.Final)
	}
	if len(d.assets) > 0 {
		out = append(out, `,"assets":[`...)
		for i, a := range d.assets {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, a...)
		}
		out = append(out, ']')
	}
	out = append(append(append(out, `,"findings":[`...), d.findings.json...), ']')
	if d.dependencies.n > 0 {
		out = append(append(append(out, `,"dependencies":[`...), d.dependencies.json...), ']')
	}
	out = append(out, '}')

	p.RawSize = int64(len(out))
	p.Findings, p.Assets, p.Dependencies = d.findings.n, len(d.assets), d.dependencies.n
	p.Oversize = p.RawSize > cfg.MaxBytes && d.items() <= 1 && len(d.assets) <= 1
	d.packed = codec.Compress(d.packed[:0], out, cfg.CompressionLevel)
	p.Encoding, p.Data = codec.Zstd, d.packed
	if float64(len(out)) > codec.DefaultMaxRatio*float64(len(d.packed)) {
		p.Encoding, p.Data = codec.None, out // a receiver would refuse this ratio as a decompression bomb
	}
	p.Data = bytes.Clone(p.Data)
	p.SHA256 = sha256.Sum256(p.Data)
	d.part, d.out, d.raw = p, out, sha256.Sum256(out)
}
