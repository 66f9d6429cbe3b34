package sdktest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

// reports reassembles reports from their parts.
type reports struct {
	byKey    map[reportKey]*pieces
	complete []*pieces
}

// reportKey identifies a revision of a report: tenants may use the same ID, and the content of an ID may change.
type reportKey struct{ tenant, id, content string }

type pieces struct {
	total int
	parts map[int]*report.Report // by index
}

// add adds a part and its content. It returns false if it was added before.
func (r *reports) add(p *part.Part, content *report.Report) bool {
	key := reportKey{tenant: p.TenantID, id: p.ReportID}
	if _, hash, _, err := part.ParseKey(p.Key); err == nil {
		key.content = string(hash)
	}
	if r.byKey == nil {
		r.byKey = map[reportKey]*pieces{}
	}
	one := r.byKey[key]
	if one == nil {
		one = &pieces{total: p.Total, parts: map[int]*report.Report{}}
		r.byKey[key] = one
	}
	if one.parts[p.Index] != nil {
		return false
	}
	one.parts[p.Index] = content
	if len(one.parts) == one.total {
		r.complete = append(r.complete, one)
	}
	return true
}

func (r *reports) merged() []*report.Report {
	out := make([]*report.Report, 0, len(r.complete))
	for _, p := range r.complete {
		out = append(out, p.merge())
	}
	return out
}

// merge joins the parts in order. Everything except the lists comes from the last part. Every part repeats the assets that its
// findings refer to.
func (p *pieces) merge() *report.Report {
	var m report.Report
	seen := map[string]bool{}
	for _, i := range slices.Sorted(maps.Keys(p.parts)) {
		pt := p.parts[i]
		assets, findings, dependencies := m.Assets, m.Findings, m.Dependencies
		for _, a := range pt.Assets {
			if id := cmp.Or(a.ID, a.Type+"\x00"+a.Value); !seen[id] {
				seen[id] = true
				assets = append(assets, a)
			}
		}
		m = *pt
		m.Assets = assets
		m.Findings = append(findings, pt.Findings...)
		m.Dependencies = append(dependencies, pt.Dependencies...)
	}
	return &m
}
