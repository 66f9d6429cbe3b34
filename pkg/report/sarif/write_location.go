package sarif

import (
	"encoding/json"

	"github.com/rediverio/sdk/pkg/report"
)

// locationOut is a location as it is written.
type locationOut struct {
	ID               json.RawMessage   `json:"id,omitempty"`
	PhysicalLocation *physicalOut      `json:"physicalLocation,omitempty"`
	LogicalLocations json.RawMessage   `json:"logicalLocations,omitempty"`
	Message          json.RawMessage   `json:"message,omitempty"`
	Annotations      json.RawMessage   `json:"annotations,omitempty"`
	Relationships    json.RawMessage   `json:"relationships,omitempty"`
	Properties       report.Properties `json:"properties,omitempty"`
}

type physicalOut struct {
	Address          json.RawMessage `json:"address,omitempty"`
	ArtifactLocation artifact        `json:"artifactLocation"`
	Region           *regionOut      `json:"region,omitempty"`
	ContextRegion    *regionOut      `json:"contextRegion,omitempty"`
}

// regionOut has all members of a region, so that those that a report.Location preserved can be decoded into it.
type regionOut struct {
	StartLine      int             `json:"startLine,omitempty"`
	StartColumn    int             `json:"startColumn,omitempty"`
	EndLine        int             `json:"endLine,omitempty"`
	EndColumn      int             `json:"endColumn,omitempty"`
	CharOffset     json.RawMessage `json:"charOffset,omitempty"`
	CharLength     json.RawMessage `json:"charLength,omitempty"`
	ByteOffset     json.RawMessage `json:"byteOffset,omitempty"`
	ByteLength     json.RawMessage `json:"byteLength,omitempty"`
	Snippet        *snippet        `json:"snippet,omitempty"`
	Message        json.RawMessage `json:"message,omitempty"`
	SourceLanguage json.RawMessage `json:"sourceLanguage,omitempty"`
	Properties     json.RawMessage `json:"properties,omitempty"`
}

// locationOf converts a location.
func locationOf(loc *report.Location) *locationOut {
	out := &locationOut{}
	var original struct {
		Address       json.RawMessage
		Region        *regionOut
		ContextRegion *regionOut
	}
	if raw := loc.Extra["sarif"]; json.Unmarshal(raw, &original) != nil || json.Unmarshal(raw, out) != nil {
		original.Address, original.Region, original.ContextRegion = nil, nil, nil
		*out = locationOut{}
	}
	out.LogicalLocations = array(loc.LogicalLocation)
	if marked(loc) {
		assign(&out.Properties, outsideRoot, any(true))
	}
	p := physicalOut{Address: original.Address, ArtifactLocation: artifact{URI: text(uriOf(loc.Path))}, Region: original.Region, ContextRegion: original.ContextRegion}
	p.region(loc)
	p.context(loc.ContextSnippet)
	p.Region, p.ContextRegion = p.Region.placed(), p.ContextRegion.placed()
	if p.Address != nil || p.ArtifactLocation.URI != "" || p.Region != nil || p.ContextRegion != nil {
		out.PhysicalLocation = &p
	}
	return out
}

func (p *physicalOut) region(loc *report.Location) {
	if loc.StartLine == 0 && loc.EndLine == 0 && loc.StartColumn == 0 && loc.EndColumn == 0 && loc.Snippet == "" {
		return
	}
	if p.Region == nil {
		p.Region = &regionOut{}
	}
	p.Region.StartLine, p.Region.EndLine = max(loc.StartLine, 0), max(loc.EndLine, 0)
	p.Region.StartColumn, p.Region.EndColumn = max(loc.StartColumn, 0), max(loc.EndColumn, 0)
	if loc.Snippet != "" {
		p.Region.Snippet = &snippet{loc.Snippet}
	}
}

func (p *physicalOut) context(text string) {
	if text == "" {
		return
	}
	if p.ContextRegion == nil {
		p.ContextRegion = &regionOut{}
	}
	p.ContextRegion.Snippet = &snippet{text}
}

// placed returns the region if it has a beginning, which SARIF requires, and nil otherwise.
func (r *regionOut) placed() *regionOut {
	if r == nil || r.StartLine == 0 && r.CharOffset == nil && r.ByteOffset == nil {
		return nil
	}
	return r
}
