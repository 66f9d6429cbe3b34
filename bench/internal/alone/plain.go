package alone

import (
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// plainReport and the types below have the members that sample.Report sets and no methods: the best case of encoding/json.
type plainReport struct {
	Version  string         `json:"version"`
	Metadata plainMetadata  `json:"metadata"`
	Tool     plainTool      `json:"tool"`
	Assets   []plainAsset   `json:"assets"`
	Findings []plainFinding `json:"findings"`
}

type plainMetadata struct {
	ID         string    `json:"id"`
	Timestamp  time.Time `json:"timestamp"`
	SourceType string    `json:"source_type"`
}

type plainTool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type plainAsset struct {
	ID    string `json:"id"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

type plainFinding struct {
	Type        string        `json:"type"`
	Title       string        `json:"title"`
	Severity    string        `json:"severity"`
	Description string        `json:"description"`
	Message     string        `json:"message"`
	Category    string        `json:"category"`
	RuleID      string        `json:"rule_id"`
	AssetRef    string        `json:"asset_ref"`
	Location    plainLocation `json:"location"`
	Fingerprint string        `json:"fingerprint"`
	Tags        []string      `json:"tags"`
}

type plainLocation struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn int    `json:"start_column"`
	Snippet     string `json:"snippet"`
}

func plain(r *report.Report) plainReport {
	p := plainReport{
		Version: report.SchemaVersion, Tool: plainTool{r.Tool.Name, r.Tool.Version},
		Metadata: plainMetadata{r.Metadata.ID, r.Metadata.Timestamp, r.Metadata.SourceType},
	}
	for _, a := range r.Assets {
		p.Assets = append(p.Assets, plainAsset{a.ID, a.Type, a.Value})
	}
	for _, f := range r.Findings {
		l := f.Location
		p.Findings = append(p.Findings, plainFinding{
			f.Type, f.Title, string(f.Severity), f.Description, f.Message, f.Category, f.RuleID, f.AssetRef,
			plainLocation{l.Path, l.StartLine, l.EndLine, l.StartColumn, l.Snippet}, f.Fingerprint, f.Tags,
		})
	}
	return p
}
