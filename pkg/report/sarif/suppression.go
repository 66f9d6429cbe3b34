package sarif

import (
	"encoding/json"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// suppression returns the first suppression in force: one that is accepted, or has no status. One that is
// rejected or under review suppresses nothing. All are kept raw where one does not say it all.
func (r *resultJSON) suppression() (found *report.Suppression) {
	for _, raw := range r.Suppressions {
		var j struct {
			Kind          text `json:"kind"`
			Status        text `json:"status"`
			Justification text `json:"justification"`
		}
		if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &j) != nil {
			continue
		}
		if found == nil && (j.Status == "" || strings.EqualFold(string(j.Status), "accepted")) {
			found = &report.Suppression{Kind: string(j.Kind), Status: string(j.Status), Justification: string(j.Justification)}
		}
	}
	if len(r.Suppressions) > 1 || len(r.Suppressions) == 1 && (found == nil || has(r.Suppressions[0], "guid", "location", "properties")) {
		r.put("suppressions", r.Suppressions)
	}
	return found
}

// has says whether the object raw has one of these members.
func has(raw []byte, keys ...string) (found bool) {
	known := set(keys...)
	eachMember(raw, func(key, _ []byte) { found = found || known[string(key)] })
	return found
}
