package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/rediverio/sdk/internal/codec"
)

// builder gathers the items of one part.
type builder struct {
	findings, dependencies list
	has                    map[int]bool // assets in this part
	order                  []int        // the same, in order
	assetBytes             int64
}

// list is a comma-separated run of JSON values.
type list struct {
	bytes.Buffer
	n int
}

func (l *list) add(b []byte) {
	if l.n > 0 {
		l.WriteByte(',')
	}
	l.Write(b)
	l.n++
}

func (l *list) reset() {
	l.Reset()
	l.n = 0
}

func (b *builder) reset() {
	b.findings.reset()
	b.dependencies.reset()
	b.has, b.order, b.assetBytes = map[int]bool{}, b.order[:0], 0
}

// envelopeRoom is set aside in each part for what stands between its header and its items.
const envelopeRoom = MaxIDLen + 256

func (b *builder) size() int64 {
	return int64(b.findings.Len()) + int64(b.dependencies.Len()) + b.assetBytes
}

// over says whether the part, which is not empty, breaks a bound with these items more.
func (b *builder) over(cfg SplitConfig, room, size int64, items, assets int) bool {
	if b.findings.n+b.dependencies.n+len(b.order) == 0 {
		return false
	}
	return items > 0 && b.findings.n+b.dependencies.n+items > cfg.MaxFindings ||
		assets > 0 && len(b.order)+assets > cfg.MaxAssets ||
		b.size()+size+int64(len(b.order)+items+assets) > room // with their commas
}

func (b *builder) addAsset(all []rawAsset, i int) {
	if !b.has[i] {
		b.has[i] = true
		b.order = append(b.order, i)
		b.assetBytes += int64(len(all[i].json))
	}
}

func (b *builder) add(all []rawAsset, p piece) {
	if p.asset >= 0 {
		b.addAsset(all, p.asset)
	}
	switch p.kind {
	case findingItem:
		b.findings.add(p.json)
	case dependencyItem:
		b.dependencies.add(p.json)
	}
}

// envelope is what a part of a split report says of itself; a report that is one part is a plain report.
type envelope struct {
	ReportID   string `json:"report_id"`
	ChunkIndex int    `json:"chunk_index"`
	IsFinal    bool   `json:"is_final"`
}

// part encodes and compresses what was gathered.
func (b *builder) part(head *Report, all []rawAsset, index int, final bool, cfg SplitConfig) (*Part, error) {
	h, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("report header: %w", err)
	}
	if n := int64(len(h)); n > cfg.MaxItemBytes {
		return nil, &TooLargeError{"tool, metadata and properties", n, cfg.MaxItemBytes}
	}
	var out bytes.Buffer
	out.Grow(len(h) + int(b.size()) + len(b.order) + 256)
	out.Write(h[:len(h)-1])
	if index > 0 || !final {
		e, err := json.Marshal(envelope{head.Metadata.ID, index, final})
		if err != nil {
			return nil, fmt.Errorf("part envelope: %w", err)
		}
		out.WriteByte(',')
		out.Write(e[1 : len(e)-1])
	}
	slices.Sort(b.order)
	var assets list
	for _, i := range b.order {
		assets.add(all[i].json)
	}
	for _, m := range []struct {
		name string
		list *list
	}{{"assets", &assets}, {"findings", &b.findings}, {"dependencies", &b.dependencies}} {
		if m.list.n > 0 || m.name == "findings" {
			fmt.Fprintf(&out, `,%q:[`, m.name)
			out.Write(m.list.Bytes())
			out.WriteByte(']')
		}
	}
	out.WriteByte('}')

	p := &Part{
		ReportID: head.Metadata.ID, Index: index, Final: final, RawSize: int64(out.Len()),
		Findings: b.findings.n, Assets: len(b.order), Dependencies: b.dependencies.n,
		Oversize: int64(out.Len()) > cfg.MaxBytes && b.findings.n+b.dependencies.n <= 1 && len(b.order) <= 1,
	}
	if head.Tool != nil {
		p.Tool = head.Tool.Name
	}
	p.Encoding, p.Data = compress(out.Bytes(), cfg.CompressionLevel)
	p.SHA256 = sha256.Sum256(p.Data)
	return p, nil
}

// maxPlain is the largest part that may travel as it is: in base64 it is within the bound on compressed data.
const maxPlain = codec.DefaultMaxCompressed / 4 * 3

// compress returns raw as zstd, or as it is where zstd is so good that a receiver must take it for a bomb.
func compress(raw []byte, level int) (encoding string, data []byte) {
	data = codec.Compress(make([]byte, 0, len(raw)/4), raw, level)
	if float64(len(raw)) > codec.DefaultMaxRatio*float64(len(data)) && len(raw) <= maxPlain {
		return codec.None, slices.Clone(raw)
	}
	return codec.Zstd, slices.Clip(slices.Clone(data))
}
