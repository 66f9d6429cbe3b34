package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// parser reads a document token by token, so that no more than one finding is decoded at a time.
type parser struct {
	dec      *json.Decoder
	max      int
	doc      document
	raw      json.RawMessage // reused
	arena    []byte          // the findings' JSON lies in blocks of it
	refs     map[string]string
	fallback string // the asset of findings that name none
}

// object reads the members of a report; outer says that it may be the wrapper around one.
func (p *parser) object(outer bool) error {
	if err := p.open('{'); err != nil {
		return err
	}
	for p.dec.More() {
		key, err := p.dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if name == "report" && outer {
			err = p.object(false)
		} else {
			err = p.member(name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", clip(name, 64), err)
		}
	}
	_, err := p.dec.Token()
	return err
}

func (p *parser) open(want json.Delim) error {
	t, err := p.dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && t != want {
		err = fmt.Errorf("want %s", want)
	}
	return err
}

func (p *parser) member(name string) error {
	switch name {
	case "findings":
		return p.list(name, p.finding)
	case "assets":
		return p.list(name, p.asset)
	case "dependencies":
		return p.list(name, p.dependency)
	case "report_id":
		return p.dec.Decode(&p.doc.ReportID)
	case "chunk_index":
		return p.dec.Decode(&p.doc.ChunkIndex)
	case "tool":
		var tool struct{ Name string }
		err := p.dec.Decode(&tool)
		p.doc.Tool = clip(tool.Name, maxColumn)
		return err
	case "metadata":
		return p.metadata()
	}
	return p.dec.Decode(&p.raw)
}

func (p *parser) metadata() error {
	var m struct {
		ID     string
		Branch struct {
			RepositoryURL string `json:"repository_url"`
		}
		Scope struct{ Name string }
	}
	if err := p.dec.Decode(&m); err != nil {
		return err
	}
	if p.doc.ReportID == "" {
		p.doc.ReportID = m.ID
	}
	p.fallback = m.Branch.RepositoryURL
	if p.fallback == "" {
		p.fallback = m.Scope.Name
	}
	return nil
}

// list reads an array, or null, element by element. An element that is not what the schema says is put aside
// with the reason, and the others go on.
func (p *parser) list(name string, take func() error) error {
	t, err := p.dec.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return errors.New("want an array")
	}
	n := 0
	for ; p.dec.More(); n++ {
		if n == p.max {
			return &limitError{name + " of one part", p.max, n + 1}
		}
		if err := p.dec.Decode(&p.raw); err != nil {
			return err
		}
		err := errNoObject
		if len(p.raw) > 0 && p.raw[0] == '{' {
			err = take()
		}
		if err != nil {
			p.skip(fmt.Sprintf("%s[%d]: %v", name, n, err))
			if name == "findings" {
				p.doc.skipped++
			}
		}
	}
	_, err = p.dec.Token()
	return err
}

var errNoObject = errors.New("want an object")

func (p *parser) skip(problem string) {
	if len(p.doc.problems) < maxProblems {
		p.doc.problems = append(p.doc.problems, clip(problem, 200))
	}
}

// keep copies the current element into the arena, whose blocks spare an allocation for each.
func (p *parser) keep() []byte {
	const block = 256 << 10
	if len(p.raw) > cap(p.arena)-len(p.arena) {
		p.arena = make([]byte, 0, max(block, len(p.raw)))
	}
	start := len(p.arena)
	p.arena = append(p.arena, p.raw...)
	return p.arena[start:len(p.arena):len(p.arena)]
}

func (p *parser) finding() error {
	var f struct {
		Title       string
		Severity    string
		RuleID      string `json:"rule_id"`
		AssetRef    string `json:"asset_ref"`
		AssetValue  string `json:"asset_value"`
		Fingerprint string
		Location    struct {
			Path string
			Line int `json:"start_line"`
		}
	}
	if err := json.Unmarshal(p.raw, &f); err != nil {
		return err
	}
	if f.Fingerprint == "" {
		var whole report.Finding
		if err := json.Unmarshal(p.raw, &whole); err != nil {
			return err
		}
		f.Fingerprint = whole.ComputeFingerprint()
	}
	p.doc.findings = append(p.doc.findings, row{
		rank: max(report.Severity(strings.ToLower(f.Severity)).Rank(), 0), line: f.Location.Line,
		rule: clip(f.RuleID, maxColumn), path: clip(f.Location.Path, maxColumn), title: clip(f.Title, maxColumn),
		fingerprint: clip(f.Fingerprint, maxColumn), asset: f.AssetValue, assetRef: f.AssetRef, data: p.keep(),
	})
	return nil
}

func (p *parser) asset() error {
	var a struct{ ID, Type, Value string }
	if err := json.Unmarshal(p.raw, &a); err != nil {
		return err
	}
	if a.Type == "" || a.Value == "" {
		return fmt.Errorf("type %q and value %q must both be set", clip(a.Type, 64), clip(a.Value, 64))
	}
	if _, dup := p.refs[a.ID]; !dup && a.ID != "" {
		p.refs[a.ID] = a.Value
	}
	p.add(itemAsset, a.Value, a.Type+"\x00"+a.Value)
	return nil
}

func (p *parser) dependency() error {
	var d struct{ Name, Version, PURL, Ecosystem, Path string }
	if err := json.Unmarshal(p.raw, &d); err != nil {
		return err
	}
	if d.Name == "" {
		return errors.New("name is empty")
	}
	p.add(itemDependency, d.Name, strings.Join([]string{d.Name, d.Version, d.PURL, d.Ecosystem, d.Path}, "\x00"))
	return nil
}

func (p *parser) add(kind, name, identity string) {
	sum := sha256.Sum256([]byte(identity))
	p.doc.items = append(p.doc.items, item{kind, sum[:16], clip(name, maxColumn), p.keep()})
}

// finish resolves what needs the whole document, since assets may come after findings.
func (p *parser) finish() {
	for i := range p.doc.findings {
		f := &p.doc.findings[i]
		if f.asset == "" {
			f.asset = p.refs[f.assetRef]
		}
		if f.asset == "" {
			f.asset = p.fallback
		}
		f.ident = identOf(f.fingerprint, f.asset)
		f.asset = clip(f.asset, maxColumn)
		h := sha256.New()
		fmt.Fprintf(h, "%s\x00%s\x00", p.doc.Tool, f.asset)
		h.Write(f.data)
		f.sum = int64(binary.BigEndian.Uint64(h.Sum(nil)))
	}
}
