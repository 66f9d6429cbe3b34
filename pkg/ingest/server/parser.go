package server

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
	"github.com/rediverio/sdk/pkg/report"
)

// parser reads a document in one pass. The document that it builds refers to slices of the text.
type parser struct {
	*jsonx.Scanner
	text     []byte
	max      int
	doc      document
	refs     map[string]string // values of assets by their IDs
	fallback string            // asset of findings without one

	current  row // the finding being read
	severity string
	fields   []field // the members of a finding, stored in current and severity
}

func newParser(raw []byte, maxItems int) *parser {
	p := &parser{Scanner: jsonx.NewScanner(raw), text: raw, max: maxItems, refs: map[string]string{}}
	f := &p.current
	p.fields = []field{
		{name: "title", str: &f.title}, {name: "severity", str: &p.severity}, {name: "rule_id", str: &f.rule},
		{name: "asset_ref", str: &f.assetRef}, {name: "asset_value", str: &f.asset}, {name: "fingerprint", str: &f.fingerprint},
		{name: "location", sub: []field{{name: "path", str: &f.path}, {name: "start_line", num: &f.line}}},
	}
	return p
}

// object reads the members of a report. If outer is set, the report may be inside a member named report.
func (p *parser) object(outer bool) error {
	return p.Members(func(name []byte) (err error) {
		if string(name) == "report" && outer {
			err = p.object(false)
		} else {
			err = p.member(string(name))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", wire.Clip(string(name), 64), err)
		}
		return nil
	})
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
		return p.decode(&p.doc.ReportID)
	case "chunk_index":
		return p.decode(&p.doc.ChunkIndex)
	case "tool":
		var tool struct{ Name string }
		err := p.decode(&tool)
		p.doc.Tool = wire.Clip(tool.Name, maxColumn)
		return err
	case "metadata":
		return p.metadata()
	}
	_, err := p.Value()
	return err
}

// decode decodes a small value into v.
func (p *parser) decode(v any) error {
	value, err := p.Value()
	if err != nil {
		return err
	}
	return json.Unmarshal(value, v)
}

func (p *parser) metadata() error {
	var m struct {
		ID     string
		Branch struct {
			RepositoryURL string `json:"repository_url"`
		}
		Scope struct{ Name string }
	}
	if err := p.decode(&m); err != nil {
		return err
	}
	p.doc.ReportID = cmp.Or(p.doc.ReportID, m.ID)
	p.fallback = cmp.Or(m.Branch.RepositoryURL, m.Scope.Name)
	return nil
}

// list reads an array or null. An element that does not match the schema is skipped and recorded as a problem.
func (p *parser) list(name string, read func() (bad, err error)) error {
	switch p.Peek() {
	case 'n':
		_, err := p.Value()
		return err
	case '[':
	default:
		return errors.New("want an array")
	}
	n := 0
	return p.Elements(func() (err error) {
		if n == p.max {
			return &limitError{name + " of one part", p.max, n + 1}
		}
		bad := errNotObject
		if p.Peek() == '{' {
			bad, err = read()
		} else {
			_, err = p.Value()
		}
		if err == nil && bad != nil {
			p.problem(fmt.Sprintf("%s[%d]: %v", name, n, bad))
			if name == "findings" {
				p.doc.skipped++
			}
		}
		n++
		return err
	})
}

func (p *parser) problem(problem string) {
	if len(p.doc.problems) < maxProblems {
		p.doc.problems = append(p.doc.problems, wire.Clip(problem, 200))
	}
}

func (p *parser) finding() (bad, err error) {
	p.current, p.severity = row{}, ""
	f, start := &p.current, p.Pos()
	if bad, err = p.readFields(p.fields); bad != nil || err != nil {
		return bad, err
	}
	f.data = p.text[start:p.Pos():p.Pos()]
	if f.fingerprint == "" {
		var whole report.Finding
		if err := json.Unmarshal(f.data, &whole); err != nil {
			return err, nil
		}
		f.fingerprint = whole.ComputeFingerprint()
	}
	f.rank = max(report.Severity(strings.ToLower(p.severity)).Rank(), 0)
	f.rule, f.path, f.title = wire.Clip(f.rule, maxColumn), wire.Clip(f.path, maxColumn), wire.Clip(f.title, maxColumn)
	f.fingerprint = wire.Clip(f.fingerprint, maxColumn)
	p.doc.findings = append(p.doc.findings, *f)
	return nil, nil
}

func (p *parser) asset() (bad, err error) {
	var id, kind, value string
	start := p.Pos()
	bad, err = p.readFields([]field{{name: "id", str: &id}, {name: "type", str: &kind}, {name: "value", str: &value}})
	if bad != nil || err != nil {
		return bad, err
	}
	if kind == "" || value == "" {
		return fmt.Errorf("type %q and value %q must both be set", wire.Clip(kind, 64), wire.Clip(value, 64)), nil
	}
	if _, dup := p.refs[id]; !dup && id != "" {
		p.refs[id] = value
	}
	p.add(itemAsset, value, kind+"\x00"+value, start)
	return nil, nil
}

func (p *parser) dependency() (bad, err error) {
	var v [5]string
	start := p.Pos()
	bad, err = p.readFields([]field{{name: "name", str: &v[0]}, {name: "version", str: &v[1]}, {name: "purl", str: &v[2]},
		{name: "ecosystem", str: &v[3]}, {name: "path", str: &v[4]}})
	if bad != nil || err != nil {
		return bad, err
	}
	if v[0] == "" {
		return errors.New("name is empty"), nil
	}
	p.add(itemDependency, v[0], strings.Join(v[:], "\x00"), start)
	return nil, nil
}

func (p *parser) add(kind, name, identity string, start int) {
	sum := sha256.Sum256([]byte(identity))
	p.doc.items = append(p.doc.items, item{kind, sum[:16], wire.Clip(name, maxColumn), p.text[start:p.Pos():p.Pos()]})
}

// finish resolves the assets of findings, which may follow the findings in the document.
func (p *parser) finish() {
	h := sha256.New()
	var sum [sha256.Size]byte
	for i := range p.doc.findings {
		f := &p.doc.findings[i]
		f.asset = cmp.Or(f.asset, p.refs[f.assetRef], p.fallback)
		f.ident = identOf(f.fingerprint, f.asset)
		f.asset = wire.Clip(f.asset, maxColumn)
		h.Reset()
		fmt.Fprintf(h, "%s\x00%s\x00", p.doc.Tool, f.asset)
		h.Write(f.data)
		f.sum = int64(binary.BigEndian.Uint64(h.Sum(sum[:0])))
	}
}
