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
	Properties       markJSON        `json:"properties"`
}

// markJSON is the mark of a location, when it is true.
type markJSON struct {
	OutsideRoot any `json:"outside_root"`
}

type snippet struct {
	Text string `json:"text"`
}

// What of a location's regions and properties a report.Location has fields for, or a mark.
var (
	mappedRegion  = set("startLine", "endLine", "startColumn", "endColumn", "snippet")
	mappedContext = set("snippet")
	locationMark  = set(outsideRoot)
)

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
	outside = outside || j.Properties.OutsideRoot == true
	loc.EndLine = max(loc.EndLine, loc.StartLine) // which is what an absent endLine means
	if len(j.LogicalLocations) > 0 && j.LogicalLocations[0] == '[' && string(j.LogicalLocations) != "[]" {
		loc.LogicalLocation = j.LogicalLocations
	}
	return loc, outside
}

// extraOf returns the members of a location, and of its regions, that have no field, under the name "sarif".
func extraOf(raw []byte) report.Extra {
	var rest report.Extra
	var mark markJSON
	eachMember(raw, func(key, value []byte) {
		switch string(key) {
		case "logicalLocations":
		case "properties":
			if json.Unmarshal(value, &mark) == nil && mark.OutsideRoot == true {
				value = without(value, locationMark)
			}
			put(&rest, "properties", value)
		case "physicalLocation":
			eachMember(value, func(key, value []byte) {
				switch string(key) {
				case "address":
					put(&rest, "address", value)
				case "region":
					put(&rest, "region", without(value, mappedRegion))
				case "contextRegion":
					put(&rest, "contextRegion", without(value, mappedContext))
				}
			})
		default:
			put(&rest, string(key), value)
		}
	})
	if rest == nil {
		return nil
	}
	b, _ := json.Marshal(rest) // raw values that are valid JSON: it cannot fail
	return report.Extra{"sarif": b}
}

// put sets a copy of a raw value, unless there is nothing to set.
func put(to *report.Extra, key string, value []byte) {
	if len(value) == 0 || string(value) == "null" {
		return
	}
	if *to == nil {
		*to = report.Extra{}
	}
	(*to)[key] = slices.Clone(value)
}

// without returns the object raw without the members of that name, nil if there are no others. What is no object
// is returned as it is.
func without(raw []byte, names map[string]bool) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return raw
	}
	var rest report.Extra
	members(raw, func(key, value []byte) {
		if !names[string(key)] {
			put(&rest, string(key), value)
		}
	})
	if rest == nil {
		return nil
	}
	b, _ := json.Marshal(rest) // as above
	return b
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
