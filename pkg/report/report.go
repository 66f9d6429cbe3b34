// Package report defines the report of a scan, with its findings, assets and dependencies, in the platform's JSON schema
// 1.0. It validates reports and computes the fingerprints that identify a finding across scans.
//
// JSON members that the model has no field for survive a round trip: every object decodes them into Extra and encodes
// them again.
package report

import (
	"encoding/json"
	"time"
)

// SchemaVersion is the version written into every report.
const SchemaVersion = "1.0"

// Report is the result of one scan of one target by one tool.
//
// A Report is not safe for concurrent use. After it was passed to a pipeline or a chunk manager, its slices may be reused,
// but the findings, assets and dependencies in them must not be changed.
type Report struct {
	Version      string        `json:"version"`           // defaults to SchemaVersion
	Schema       string        `json:"$schema,omitempty"` // URL of the JSON schema
	Metadata     Metadata      `json:"metadata"`
	Tool         *Tool         `json:"tool,omitempty"`
	Assets       []*Asset      `json:"assets,omitempty"`
	Findings     []*Finding    `json:"findings,omitempty"`
	Dependencies []*Dependency `json:"dependencies,omitempty"`
	Properties   Properties    `json:"properties,omitempty"`
	Extra        Extra         `json:"-"`
}

// Metadata describes the origin of a report.
type Metadata struct {
	ID           string     `json:"id,omitempty"`            // ID of the report; assigned at submission if empty
	Timestamp    time.Time  `json:"timestamp"`               // end of the scan; defaults to the time of submission
	DurationMS   int64      `json:"duration_ms,omitempty"`   // duration of the scan in milliseconds
	SourceType   string     `json:"source_type,omitempty"`   // SourceScanner, SourceCollector, SourceIntegration or SourceManual
	SourceRef    string     `json:"source_ref,omitempty"`    // reference to the source, such as the ID of a job
	CoverageType string     `json:"coverage_type,omitempty"` // CoverageFull, CoverageIncremental or CoveragePartial
	Branch       *Branch    `json:"branch,omitempty"`
	Scope        *Scope     `json:"scope,omitempty"`
	Properties   Properties `json:"properties,omitempty"`
	Extra        Extra      `json:"-"`
}

// Values of Metadata.CoverageType. Full coverage allows a server to resolve findings that the report no longer contains, so
// only the final part of a report claims it.
const (
	CoverageFull        = "full"
	CoverageIncremental = "incremental"
	CoveragePartial     = "partial"
)

// Values of Metadata.SourceType.
const (
	SourceScanner     = "scanner"
	SourceCollector   = "collector"
	SourceIntegration = "integration"
	SourceManual      = "manual"
)

// Branch is the state of a scanned repository.
type Branch struct {
	Name              string `json:"name,omitempty"`
	IsDefaultBranch   bool   `json:"is_default_branch,omitempty"`
	CommitSHA         string `json:"commit_sha,omitempty"`
	BaseBranch        string `json:"base_branch,omitempty"`
	PullRequestNumber int    `json:"pull_request_number,omitempty"`
	PullRequestURL    string `json:"pull_request_url,omitempty"`
	RepositoryURL     string `json:"repository_url,omitempty"`
	Extra             Extra  `json:"-"`
}

// Scope is the requested extent of a scan.
type Scope struct {
	Name     string   `json:"name,omitempty"`
	Type     string   `json:"type,omitempty"`
	Includes []string `json:"includes,omitempty"`
	Excludes []string `json:"excludes,omitempty"`
	Extra    Extra    `json:"-"`
}

// Tool describes the scanner. Name is required.
type Tool struct {
	Name         string     `json:"name"`
	Version      string     `json:"version,omitempty"`
	Vendor       string     `json:"vendor,omitempty"`
	InfoURL      string     `json:"info_url,omitempty"`
	Capabilities []string   `json:"capabilities,omitempty"`
	Properties   Properties `json:"properties,omitempty"`
	Extra        Extra      `json:"-"`
}

// Asset is an object of findings, such as a repository, a host or a container image. Type and Value are required.
type Asset struct {
	ID                   string          `json:"id,omitempty"` // unique in the report; referenced by Finding.AssetRef
	Type                 string          `json:"type"`         // such as repository, domain or container
	Value                string          `json:"value"`        // identifies the asset: a URL, a name or an address
	Name                 string          `json:"name,omitempty"`
	Description          string          `json:"description,omitempty"`
	Tags                 []string        `json:"tags,omitempty"`
	Criticality          string          `json:"criticality,omitempty"`
	Confidence           int             `json:"confidence,omitempty"`
	DiscoveredAt         *time.Time      `json:"discovered_at,omitempty"`
	Technical            json.RawMessage `json:"technical,omitempty"`
	IsInternetAccessible bool            `json:"is_internet_accessible,omitempty"`
	Properties           Properties      `json:"properties,omitempty"`
	Extra                Extra           `json:"-"`
}

// Dependency is one component of a software bill of materials (SBOM). Name is required.
type Dependency struct {
	ID           string     `json:"id,omitempty"`
	Name         string     `json:"name"`
	Version      string     `json:"version,omitempty"`
	Type         string     `json:"type,omitempty"`
	Ecosystem    string     `json:"ecosystem,omitempty"`
	PURL         string     `json:"purl,omitempty"`
	UID          string     `json:"uid,omitempty"`
	Licenses     []string   `json:"licenses,omitempty"`
	Relationship string     `json:"relationship,omitempty"`
	DependsOn    []string   `json:"depends_on,omitempty"`
	Path         string     `json:"path,omitempty"`
	Properties   Properties `json:"properties,omitempty"`
	Extra        Extra      `json:"-"`
}
