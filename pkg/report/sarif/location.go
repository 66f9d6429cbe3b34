package sarif

import (
	"encoding/json"
	"math"

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

// markJSON is the mark that a Writer puts into a location outside of the root. Its value is true; any other type is not a mark.
type markJSON struct {
	OutsideRoot any `json:"outside_root"`
}

type snippet struct {
	Text string `json:"text"`
}

// The members of a location's parts that a report.Location has fields for, or a mark.
var (
	mappedLocation = set("physicalLocation", "logicalLocations", "properties")
	mappedRegion   = set("startLine", "endLine", "startColumn", "endColumn", "snippet")
	mappedContext  = set("snippet")
	locationMark   = set(outsideRoot)
)

// location converts a SARIF location. Members without a field of their own, such as message, id and the region's
// charOffset, go into Extra. outside reports that its path is not below the root.
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
		Extra:          extraOf(raw, j.Properties.OutsideRoot == true),
	}
	loc.Path, outside = f.resolve(r, j.PhysicalLocation.ArtifactLocation)
	outside = outside || j.Properties.OutsideRoot == true
	loc.EndLine = max(loc.EndLine, loc.StartLine) // the meaning of an absent endLine
	if len(j.LogicalLocations) > 0 && j.LogicalLocations[0] == '[' && string(j.LogicalLocations) != "[]" {
		loc.LogicalLocation = j.LogicalLocations
	}
	return loc, outside
}

// extraOf returns the members of a location and of its regions that a report.Location has no field for, under the name
// "sarif".
func extraOf(raw []byte, outside bool) report.Extra {
	rest := membersExcept(raw, mappedLocation)
	members(raw, func(name, value []byte) {
		switch string(name) {
		case "properties":
			if outside {
				value = without(value, locationMark)
			}
			put(&rest, "properties", value)
		case "physicalLocation":
			members(value, func(name, value []byte) {
				switch string(name) {
				case "address":
					put(&rest, "address", value)
				case "region":
					put(&rest, "region", without(value, mappedRegion))
				case "contextRegion":
					put(&rest, "contextRegion", without(value, mappedContext))
				}
			})
		}
	})
	if rest == nil {
		return nil
	}
	return report.Extra{"sarif": encodeMembers(rest)}
}

// without returns the object raw without the members that have one of the names, or nil if there are no others. A value
// that is not an object is returned unchanged.
func without(raw []byte, names map[string]bool) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return raw
	}
	return encodeMembers(membersExcept(raw, names))
}

// count returns n as a line, a column or a number of times. It returns 0 if n cannot be one.
func count(n float64) int {
	if !(n >= 1 && n <= math.MaxInt32) {
		return 0
	}
	return int(n)
}
