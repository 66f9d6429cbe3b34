package crashtest

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/rediverio/sdk/pkg/report"
)

// name is a report: its tenant and ID.
type name struct{ tenant, id string }

// tenants maps the tenants of the agent to the names that the server has for them. The empty one is the agent's own.
var tenants = map[string]string{"": "own", "alpha": "alpha", "beta": "beta"}

func token(tenant string) string { return "token-of-" + tenants[tenant] }

// How reports are split: some stay whole, most do not.
const (
	minFindings, maxFindings = 5, 4
	maxPartBytes             = 256 << 10
	maxVersions              = 3
	bigFindings, bigNoise    = 45, 70 << 10 // size of a report that a writer stores in several transactions
)

// shape returns how large a report is. Everything of a report follows from its ID and version, so that the parent
// knows what a victim submitted. No two versions have as many findings.
func (n name) shape(version int) (findings, noise int) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(n.id)) // never fails
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	switch k := r.IntN(40); {
	case k < 20:
		findings = 1 + r.IntN(2)
	case k < 38:
		findings = minFindings + r.IntN(20)
		noise = r.IntN(1 << 10)
	case k < 39:
		findings, noise = bigFindings/2, r.IntN(bigNoise)
	default:
		findings, noise = bigFindings, bigNoise
	}
	return findings + version, noise
}

// biggest is what the largest report takes in the store, and a little more.
const biggest = (bigFindings + maxVersions) * bigNoise * 5 / 4

func (n name) head() *report.Report {
	return &report.Report{
		Metadata: report.Metadata{ID: n.id, Timestamp: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)},
		Tool:     &report.Tool{Name: "crashtest"},
	}
}

func (n name) asset() *report.Asset {
	return &report.Asset{ID: "a", Type: "repository", Value: "repository/" + n.id}
}

func (n name) finding(version, i, noise int) *report.Finding {
	title := fmt.Sprintf("%s/%s/%d/%d", tenants[n.tenant], n.id, version, i)
	f := &report.Finding{Type: report.TypeSecret, Title: title, Severity: report.High, RuleID: "r", AssetRef: "a",
		Fingerprint: title, Location: &report.Location{Path: "f" + strconv.Itoa(i), StartLine: i + 1}}
	if noise > 0 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(title)) // never fails
		var seed [32]byte
		binary.LittleEndian.PutUint64(seed[:], h.Sum64())
		b := make([]byte, noise)
		_, _ = rand.NewChaCha8(seed).Read(b) // never fails
		f.Description = base64.StdEncoding.EncodeToString(b)
	}
	return f
}

func (n name) report(version int) *report.Report {
	r := n.head()
	r.Assets = []*report.Asset{n.asset()}
	findings, noise := n.shape(version)
	for i := range findings {
		r.Findings = append(r.Findings, n.finding(version, i, noise))
	}
	return r
}

// parseTitle is the inverse of what finding makes, with the server's name of the tenant.
func parseTitle(title string) (tenant, id string, version, i int, err error) {
	f := strings.Split(title, "/")
	if len(f) != 4 {
		return "", "", 0, 0, fmt.Errorf("a foreign finding %q", title)
	}
	if version, err = strconv.Atoi(f[2]); err == nil {
		i, err = strconv.Atoi(f[3])
	}
	return f[0], f[1], version, i, err
}
