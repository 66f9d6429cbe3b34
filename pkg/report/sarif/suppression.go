package sarif

import (
	"encoding/json"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// suppressionJSON is the part of a SARIF suppression that a report.Suppression has fields for.
type suppressionJSON struct {
	Kind          text `json:"kind"`
	Status        text `json:"status,omitempty"`
	Justification text `json:"justification,omitempty"`
}

// suppression returns the first suppression in force, which is one that is accepted or has no status. A suppression that
// is rejected or under review suppresses nothing. All suppressions are preserved if the returned one does not hold all of
// their content.
func (r *resultJSON) suppression() (found *report.Suppression) {
	for _, raw := range r.Suppressions {
		var j suppressionJSON
		if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &j) != nil {
			continue
		}
		if found == nil && (j.Status == "" || strings.EqualFold(string(j.Status), "accepted")) {
			found = &report.Suppression{Kind: string(j.Kind), Status: string(j.Status), Justification: string(j.Justification)}
		}
	}
	if len(r.Suppressions) > 1 || len(r.Suppressions) == 1 && (found == nil || membersExcept(r.Suppressions[0], mappedSuppression) != nil) {
		r.put("suppressions", r.Suppressions)
	}
	return found
}

// mappedSuppression are the members of a suppression that a report.Suppression has fields for.
var mappedSuppression = set("kind", "status", "justification")
