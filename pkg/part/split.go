package part

import (
	"slices"

	"github.com/rediverio/sdk/pkg/report"
)

// Seal sets Key and Total of all parts of a report. content is the hash in the Splitter's Summary.
func Seal(parts []*Part, content [32]byte) {
	for _, p := range parts {
		p.Key = Key(p.ReportID, content, p.Index)
		p.Total = len(parts)
	}
}

// Split returns the sealed parts of a whole report. See Splitter for their properties.
func Split(r *report.Report, cfg SplitConfig) ([]*Part, Summary, error) {
	var parts []*Part
	s, err := NewSplitter(r, cfg, func(p *Part) error {
		parts = append(parts, p)
		return nil
	})
	if err != nil {
		return nil, Summary{}, err
	}
	if err := s.AddAll(r); err != nil {
		return nil, Summary{}, err
	}
	sum, err := s.Close()
	if err != nil {
		return nil, Summary{}, err
	}
	Seal(parts, sum.Content)
	return slices.Clip(parts), sum, nil
}

// AddAll adds all assets, findings and dependencies of r, in this order.
func (s *Splitter) AddAll(r *report.Report) error {
	for _, a := range r.Assets {
		if err := s.AddAsset(a); err != nil {
			return err
		}
	}
	for _, f := range r.Findings {
		if err := s.AddFinding(f); err != nil {
			return err
		}
	}
	for _, d := range r.Dependencies {
		if err := s.AddDependency(d); err != nil {
			return err
		}
	}
	return nil
}
