package sarif

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/rediverio/sdk/pkg/report"
)

type locationJSON struct {
	PhysicalLocation struct {
		ArtifactLocation artifact `json:"artifactLocation"`
		Region           struct {
			StartLine   float64 `json:"startLine"`
			EndLine     float64 `json:"endLine"`
			StartColumn float64 `json:"startColumn"`
			EndColumn   float64 `json:"endColumn"`
			Snippet     snippet `json:"snippet"`
		} `json:"region"`
		ContextRegion struct {
			Snippet snippet `json:"snippet"`
		} `json:"contextRegion"`
	} `json:"physicalLocation"`
	LogicalLocations json.RawMessage `json:"logicalLocations"`
}

type snippet struct {
	Text string `json:"text"`
}

// mappedRegion is what of a region a report.Location has fields for.
var mappedRegion = set("startLine", "endLine", "startColumn", "endColumn", "snippet")

// location returns a SARIF location. Its message, its ID and the like, and what else the region says, e.g.
// charOffset, go into Extra. outside says that its path is not below the root.
func (f *File) location(r *run, raw json.RawMessage) (loc *report.Location, outside bool) {
	var j locationJSON
	if len(raw) == 0 || raw[0] != '{' || ignoreType(json.Unmarshal(raw, &j)) != nil {
		return nil, false
	}
	region := &j.PhysicalLocation.Region
	loc = &report.Location{
		StartLine: count(region.StartLine), EndLine: count(region.EndLine),
		StartColumn: count(region.StartColumn), EndColumn: count(region.EndColumn),
		Snippet:        region.Snippet.Text,
		ContextSnippet: j.PhysicalLocation.ContextRegion.Snippet.Text,
		Extra:          extraOf(raw),
	}
	loc.Path, outside = f.resolve(r, j.PhysicalLocation.ArtifactLocation)
	loc.EndLine = max(loc.EndLine, loc.StartLine) // which is what an absent endLine means
	if len(j.LogicalLocations) > 0 && j.LogicalLocations[0] == '[' && string(j.LogicalLocations) != "[]" {
		loc.LogicalLocation = j.LogicalLocations
	}
	return loc, outside
}

// extraOf returns the members of a location, and of its region, that have no field, under the name "sarif".
func extraOf(raw []byte) report.Extra {
	var rest, region report.Extra
	put := func(to *report.Extra, key, value []byte) {
		if *to == nil {
			*to = report.Extra{}
		}
		(*to)[string(key)] = slices.Clone(value)
	}
	eachMember(raw, func(key, value []byte) {
		switch string(key) {
		case "logicalLocations":
		case "physicalLocation":
			eachMember(value, func(key, value []byte) {
				switch string(key) {
				case "address":
					put(&rest, key, value)
				case "region":
					eachMember(value, func(key, value []byte) {
						if !mappedRegion[string(key)] {
							put(&region, key, value)
						}
					})
				}
			})
		default:
			put(&rest, key, value)
		}
	})
	if region != nil {
		b, _ := json.Marshal(region) // raw values that are valid JSON: it cannot fail
		put(&rest, []byte("region"), b)
	}
	if rest == nil {
		return nil
	}
	b, _ := json.Marshal(rest)
	return report.Extra{"sarif": b}
}

// eachMember is members for a value that may be no object.
func eachMember(raw []byte, fn func(key, value []byte)) {
	if len(raw) > 0 && raw[0] == '{' {
		members(raw, fn)
	}
}

// count returns a line or column, 0 for what is none.
func count(n float64) int {
	if !(n >= 1 && n <= math.MaxInt32) {
		return 0
	}
	return int(n)
}
