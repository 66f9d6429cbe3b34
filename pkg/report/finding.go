package report

import (
	"encoding/json"
	"slices"
)

// Severity is the severity of a finding.
type Severity string

// The severities, most severe first.
const (
	Critical Severity = "critical"
	High     Severity = "high"
	Medium   Severity = "medium"
	Low      Severity = "low"
	Info     Severity = "info"
)

// Severities returns all severities, most severe first.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low, Info} }

// Rank orders severities from 4 for Critical to 0 for Info. It returns -1 for any other value.
func (s Severity) Rank() int { return slices.Index(ranks[:], s) }

var ranks = [...]Severity{Info, Low, Medium, High, Critical}

// Values of Finding.Type.
const (
	TypeVulnerability    = "vulnerability"
	TypeSecret           = "secret"
	TypeMisconfiguration = "misconfiguration"
	TypeCompliance       = "compliance"
	TypeWeb3             = "web3"
)

// Finding is one result of a scanner. Type, Title and Severity are required.
type Finding struct {
	ID                  string            `json:"id,omitempty"`
	Type                string            `json:"type"`
	Title               string            `json:"title"`
	Severity            Severity          `json:"severity"`
	Description         string            `json:"description,omitempty"`
	Message             string            `json:"message,omitempty"`
	Confidence          int               `json:"confidence,omitempty"`
	Impact              string            `json:"impact,omitempty"`
	Likelihood          string            `json:"likelihood,omitempty"`
	Category            string            `json:"category,omitempty"`
	RuleID              string            `json:"rule_id,omitempty"`
	RuleName            string            `json:"rule_name,omitempty"`
	AssetRef            string            `json:"asset_ref,omitempty"` // Asset.ID in the same report
	AssetValue          string            `json:"asset_value,omitempty"`
	AssetType           string            `json:"asset_type,omitempty"`
	Location            *Location         `json:"location,omitempty"`
	RelatedLocations    []*Location       `json:"related_locations,omitempty"`
	Vulnerability       *Vulnerability    `json:"vulnerability,omitempty"`
	Secret              *Secret           `json:"secret,omitempty"`
	Misconfiguration    *Misconfiguration `json:"misconfiguration,omitempty"`
	DataFlow            json.RawMessage   `json:"data_flow,omitempty"`
	Remediation         json.RawMessage   `json:"remediation,omitempty"`
	Stacks              json.RawMessage   `json:"stacks,omitempty"`
	Attachments         json.RawMessage   `json:"attachments,omitempty"`
	References          []string          `json:"references,omitempty"`
	Tags                []string          `json:"tags,omitempty"`
	Fingerprint         string            `json:"fingerprint,omitempty"`
	PartialFingerprints map[string]string `json:"partial_fingerprints,omitempty"`
	CorrelationID       string            `json:"correlation_id,omitempty"`
	BaselineState       string            `json:"baseline_state,omitempty"`
	Kind                string            `json:"kind,omitempty"`
	Rank                float64           `json:"rank,omitempty"`
	OccurrenceCount     int               `json:"occurrence_count,omitempty"`
	Status              string            `json:"status,omitempty"`
	Author              string            `json:"author,omitempty"`
	AuthorEmail         string            `json:"author_email,omitempty"`
	CommitDate          string            `json:"commit_date,omitempty"`
	Suppression         *Suppression      `json:"suppression,omitempty"`
	Properties          Properties        `json:"properties,omitempty"`
	Extra               Extra             `json:"-"`
}

// Location is a place in a file. Lines and columns are counted from 1; 0 means unknown.
type Location struct {
	Path            string          `json:"path,omitempty"`
	StartLine       int             `json:"start_line,omitempty"`
	EndLine         int             `json:"end_line,omitempty"`
	StartColumn     int             `json:"start_column,omitempty"`
	EndColumn       int             `json:"end_column,omitempty"`
	Snippet         string          `json:"snippet,omitempty"`
	ContextSnippet  string          `json:"context_snippet,omitempty"`
	Branch          string          `json:"branch,omitempty"`
	CommitSHA       string          `json:"commit_sha,omitempty"`
	LogicalLocation json.RawMessage `json:"logical_location,omitempty"`
	Extra           Extra           `json:"-"`
}

// Vulnerability describes a known vulnerability (CVE) or a class of weaknesses (CWE).
type Vulnerability struct {
	CVEID           string   `json:"cve_id,omitempty"`
	CWEIDs          []string `json:"cwe_ids,omitempty"`
	CVSSScore       float64  `json:"cvss_score,omitempty"`
	CVSSVector      string   `json:"cvss_vector,omitempty"`
	Package         string   `json:"package,omitempty"`
	PURL            string   `json:"purl,omitempty"`
	AffectedVersion string   `json:"affected_version,omitempty"`
	FixedVersion    string   `json:"fixed_version,omitempty"`
	Ecosystem       string   `json:"ecosystem,omitempty"`
	Extra           Extra    `json:"-"`
}

// Secret describes a leaked credential. It never contains the credential in clear.
type Secret struct {
	SecretType  string  `json:"secret_type,omitempty"`
	Service     string  `json:"service,omitempty"`
	MaskedValue string  `json:"masked_value,omitempty"`
	Length      int     `json:"length,omitempty"`
	Entropy     float64 `json:"entropy,omitempty"`
	Valid       *bool   `json:"valid,omitempty"`
	Extra       Extra   `json:"-"`
}

// Misconfiguration describes a resource with an unsafe configuration.
type Misconfiguration struct {
	PolicyID     string `json:"policy_id,omitempty"`
	PolicyName   string `json:"policy_name,omitempty"`
	ResourceType string `json:"resource_type,omitempty"`
	ResourceName string `json:"resource_name,omitempty"`
	Extra        Extra  `json:"-"`
}

// Suppression marks a finding that is to be ignored, with the reason.
type Suppression struct {
	Kind          string `json:"kind,omitempty"`
	Status        string `json:"status,omitempty"`
	Justification string `json:"justification,omitempty"`
	Extra         Extra  `json:"-"`
}
