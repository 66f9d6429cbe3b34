package sarif

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/report"
)

// writtenRun is the current run of a Writer. It holds everything that a reader will know of the run, so that each result
// can be read back before it is written.
type writtenRun struct {
	head     *report.Report
	results  int
	rules    map[string]int // index of a rule by the JSON of its description
	list     []json.RawMessage
	size     int // bytes of the descriptions
	maxRules int
	cwes     []text // targets of relationships

	file *File
	run  *run
}

// The bounds of the rules that a run describes. A result beyond them has no description of its rule; its content is in the
// supplement of the result.
const (
	maxWrittenRules = 10_000
	maxWrittenBytes = DefaultMaxHeaderBytes / 2
)

func newWrittenRun(head *report.Report) *writtenRun {
	if head == nil {
		head = &report.Report{}
	}
	var tool report.Tool
	if head.Tool != nil {
		tool = *head.Tool
	}
	tool.Name = cmp.Or(truncate(tool.Name, 1<<10), "unknown")
	r := &run{Run: Run{Tool: tool}, byID: map[string]*rule{}}
	if len(head.Assets) > 0 {
		r.asset = asset{truncate(head.Assets[0].Type, maxTagLength), truncate(head.Assets[0].Value, maxURI)}
	}
	return &writtenRun{
		head: head, rules: map[string]int{}, maxRules: maxWrittenRules, run: r,
		file: &File{lim: Limits{}.withDefaults(), runs: []*run{r}},
	}
}

// result returns the finding as a result with its supplement.
func (w *writtenRun) result(f *report.Finding) ([]byte, error) {
	if f == nil {
		return nil, errors.New("finding is null")
	}
	own := *f
	own.AssetRef = ""
	if err := (&report.Report{Findings: []*report.Finding{&own}}).Validate(); err != nil {
		return nil, err
	}
	out, err := w.resultOf(&own)
	if err != nil {
		return nil, err
	}
	line, err := encode(out)
	if err != nil {
		return nil, err
	}
	res, err := parseResult(line, jsonx.MaxDepth)
	if err != nil {
		return nil, err
	}
	supplement, err := supplementOf(&own, w.file.finding(w.run, res))
	if err != nil || supplement == nil {
		return line, err
	}
	assign(&out.Properties, supplementName, any(supplement))
	return encode(out)
}

// index returns the index of a rule in the run, or nil if the run does not describe it.
func (w *writtenRun) index(r *ruleOut) (*int, error) {
	text, err := encode(r)
	if err != nil {
		return nil, err
	}
	i, known := w.rules[string(text)]
	if !known {
		if i = len(w.list); i == w.maxRules || w.size+len(text) > maxWrittenBytes {
			return nil, nil
		}
		w.rules[string(text)] = i
		w.list = append(w.list, text)
		w.size += len(text)
		if err := w.register(text); err != nil {
			return nil, err
		}
		for _, rel := range r.Relationships {
			if !slices.Contains(w.cwes, rel.Target.ID) {
				w.cwes = append(w.cwes, rel.Target.ID)
			}
		}
	}
	return &i, nil
}

// register adds a rule to those that a reader will know.
func (w *writtenRun) register(text []byte) error {
	var j ruleJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	r := j.rule()
	r.describe(&j)
	w.run.driver = append(w.run.driver, r)
	if w.run.byID[r.id] == nil {
		w.run.byID[r.id] = &r
	}
	return nil
}

type componentOut struct {
	Name           string            `json:"name"`
	Version        string            `json:"version,omitempty"`
	Organization   string            `json:"organization,omitempty"`
	InformationURI string            `json:"informationUri,omitempty"`
	Rules          []json.RawMessage `json:"rules,omitempty"`
	Taxa           []idJSON          `json:"taxa,omitempty"`
}

type idJSON struct {
	ID text `json:"id"`
}

// runOut has the members of a run that follow its results.
type runOut struct {
	Tool struct {
		Driver componentOut `json:"driver"`
	} `json:"tool"`
	Taxonomies               []componentOut       `json:"taxonomies,omitempty"`
	Invocations              []invocationOut      `json:"invocations,omitempty"`
	VersionControlProvenance []versionControlJSON `json:"versionControlProvenance,omitempty"`
	Properties               report.Properties    `json:"properties,omitempty"`
}

type invocationOut struct {
	ExecutionSuccessful bool   `json:"executionSuccessful"`
	EndTimeUTC          string `json:"endTimeUtc,omitempty"`
}

// tail returns the members of the run that follow its results, as an object.
func (w *writtenRun) tail() ([]byte, error) {
	t, m := w.run.Tool, w.head.Metadata
	var out runOut
	out.Tool.Driver = componentOut{Name: t.Name, Version: t.Version, Organization: t.Vendor, Rules: w.list}
	if isURI(t.InfoURL) {
		out.Tool.Driver.InformationURI = t.InfoURL
	}
	if len(w.cwes) > 0 {
		cwe := componentOut{Name: "CWE", Organization: "MITRE"}
		for _, id := range w.cwes {
			cwe.Taxa = append(cwe.Taxa, idJSON{id})
		}
		out.Taxonomies = []componentOut{cwe}
	}
	if m.CoverageType != "" {
		in := invocationOut{ExecutionSuccessful: m.CoverageType != report.CoveragePartial}
		if !m.Timestamp.IsZero() {
			in.EndTimeUTC = m.Timestamp.UTC().Format(time.RFC3339Nano)
		}
		out.Invocations = []invocationOut{in}
	}
	if b := m.Branch; b != nil && isURI(b.RepositoryURL) {
		out.VersionControlProvenance = []versionControlJSON{{text(b.RepositoryURL), text(b.CommitSHA), text(b.Name)}}
	}
	if w.run.asset != (asset{}) {
		out.Properties = report.Properties{assetName: w.run.asset}
	}
	return encode(out)
}

// isURI reports whether s is an absolute URI.
func isURI(s string) bool {
	return scheme.MatchString(s) && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }) < 0
}
