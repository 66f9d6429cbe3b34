// Package report holds the model of what an agent sends: a Report with its findings, assets and
// dependencies, in the platform's JSON schema 1.0; the Splitter that cuts a report into self-contained
// Parts; and the fingerprints by which two findings are known to be the same.
//
// Fields that the model does not know survive: every object keeps them raw in Extra and writes them back.
package report

import (
	"encoding/json"
	"time"
)

// SchemaVersion is the version written into every report.
const SchemaVersion = "1.0"

// Report is the result of one scan of one target by one tool.
//
// A Report is not safe for concurrent changes. Passing it to a pipeline or a chunk manager hands over the
// objects it points to: the slices may be reused afterwards, the findings and assets in them may not be changed.
type Report struct {
	Version      string        `json:"version"`           // empty: SchemaVersion
	Schema       string        `json:"$schema,omitempty"` // URL of the JSON schema
	Metadata     Metadata      `json:"metadata"`
	Tool         *Tool         `json:"tool,omitempty"`
	Assets       []*Asset      `json:"assets,omitempty"`
	Findings     []*Finding    `json:"findings,omitempty"`
	Dependencies []*Dependency `json:"dependencies,omitempty"`
	Properties   Properties    `json:"properties,omitempty"`
	Extra        Extra         `json:"-"`
}

// Metadata says where and how a report came to be.
type Metadata struct {
	ID           string     `json:"id,omitempty"`            // the report's ID; empty: assigned at submission
	Timestamp    time.Time  `json:"timestamp"`               // when the scan ended; zero: time of submission
	DurationMS   int64      `json:"duration_ms,omitempty"`   // of the scan, in milliseconds
	SourceType   string     `json:"source_type,omitempty"`   // scanner, collector, integration or manual
	SourceRef    string     `json:"source_ref,omitempty"`    // e.g. the job's ID
	CoverageType string     `json:"coverage_type,omitempty"` // CoverageFull, CoverageIncremental or CoveragePartial
	Branch       *Branch    `json:"branch,omitempty"`
	Scope        *Scope     `json:"scope,omitempty"`
	Properties   Properties `json:"properties,omitempty"`
	Extra        Extra      `json:"-"`
}

// Values of Metadata.CoverageType. Full lets a server resolve the findings it no longer sees, so only the
// final part of a report carries it.
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

// Branch is the state of a repository that was scanned.
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

// Scope is what the scan was asked to look at.
type Scope struct {
	Name     string   `json:"name,omitempty"`
	Type     string   `json:"type,omitempty"`
	Includes []string `json:"includes,omitempty"`
	Excludes []string `json:"excludes,omitempty"`
	Extra    Extra    `json:"-"`
}

// Tool is the scanner.
type Tool struct {
	Name         string     `json:"name"`
	Version      string     `json:"version,omitempty"`
	Vendor       string     `json:"vendor,omitempty"`
	InfoURL      string     `json:"info_url,omitempty"`
	Capabilities []string   `json:"capabilities,omitempty"`
	Properties   Properties `json:"properties,omitempty"`
	Extra        Extra      `json:"-"`
}

// Asset is a thing that findings are about: a repository, a host, a container image.
type Asset struct {
	ID                   string          `json:"id,omitempty"` // referenced by Finding.AssetRef; unique in its report
	Type                 string          `json:"type"`         // e.g. repository, domain, container
	Value                string          `json:"value"`        // what identifies it: a URL, a name, an address
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

// Dependency is one component of an SBOM.
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
