package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/part"
	"github.com/rediverio/sdk/pkg/report"
)

func TestUploadWholeReport(t *testing.T) {
	_, url := newServer(t, nil)
	c := newClient(t, url, tokenA)
	parts := split(t, sample("r1", 20), 100)
	if len(parts) != 1 {
		t.Fatalf("%d parts, want 1", len(parts))
	}
	res := upload(t, c, parts[0])
	if res.FindingsCreated != 20 || res.AssetsCreated != 1 || res.ReportID != "r1" || res.Error != "" || res.Duplicate {
		t.Fatalf("result %+v", res)
	}
	if res.BytesSent != int64(len(parts[0].Data)) {
		t.Errorf("sent %d bytes, the part has %d", res.BytesSent, len(parts[0].Data))
	}
	got := findings(t, c, ingest.Query{Limit: 7})
	if len(got) != 20 {
		t.Fatalf("%d findings, want 20", len(got))
	}
	for i, f := range got {
		if i > 0 && f.Severity.Rank() > got[i-1].Severity.Rank() {
			t.Errorf("finding %d is %s behind %s", i, f.Severity, got[i-1].Severity)
		}
		if f.Tool != "semgrep" || f.Asset != "https://example.com/repo" || f.ReportID != "r1" || f.Line == 0 || f.Fingerprint == "" {
			t.Errorf("finding %+v", f)
		}
	}
}

func TestPartsInAnyOrderBecomeVisibleTogether(t *testing.T) {
	_, url := newServer(t, nil)
	c := newClient(t, url, tokenA)
	parts := split(t, sample("r1", 250), 20)
	rand.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	var sum part.Result
	for i, p := range parts {
		if n := len(findings(t, c, ingest.Query{Limit: 1000})); n != 0 {
			t.Fatalf("%d findings visible after %d of %d parts", n, i, len(parts))
		}
		sum.Add(upload(t, c, p))
	}
	if sum.FindingsCreated != 250 || sum.AssetsCreated != 1 || sum.FindingsUpdated != 0 {
		t.Fatalf("sums %+v", sum)
	}
	if n := len(findings(t, c, ingest.Query{Limit: 1000})); n != 250 {
		t.Fatalf("%d findings visible, want 250", n)
	}
	s := stats(t, c)
	if s.Reports != 1 || s.Parts != int64(len(parts)) || s.Findings != 250 || s.Incomplete != 0 || s.Assets != 1 {
		t.Fatalf("stats %+v", s)
	}
}

func TestSameKeySameContentTakesEffectOnce(t *testing.T) {
	for _, max := range []int{1000, 10} { // whole, and in parts
		_, url := newServer(t, nil)
		c := newClient(t, url, tokenA)
		parts := split(t, sample("r1", 30), max)
		var first, again part.Result
		for _, p := range parts {
			first.Add(upload(t, c, p))
		}
		for _, p := range parts {
			res := upload(t, c, p)
			if !res.Duplicate {
				t.Errorf("part %d resent is no duplicate", p.Index)
			}
			again.Add(res)
		}
		if first.FindingsCreated != 30 || again.FindingsCreated != 30 {
			t.Errorf("created %d, and %d in the repeated answers", first.FindingsCreated, again.FindingsCreated)
		}
		s := stats(t, c)
		if s.Findings != 30 || s.Duplicates != 0 || s.Repeated != int64(len(parts)) || s.Parts != int64(len(parts)) {
			t.Errorf("stats %+v", s)
		}
	}
}

func TestSameKeyOtherContentIsConflict(t *testing.T) {
	for _, max := range []int{1000, 10} {
		_, url := newServer(t, nil)
		c := newClient(t, url, tokenA)
		p := split(t, sample("r1", 30), max)[0]
		upload(t, c, p)
		other := split(t, sample("r1", 29), max)[0]
		forged := *other
		forged.Key, forged.Total = p.Key, p.Total
		forged.Data = split(t, sample("r1", 29), 9)[0].Data
		if p.Total == 1 {
			forged.Data = other.Data
		}
		_, err := c.Upload(context.Background(), &forged)
		var e *ingest.Error
		if !errors.As(err, &e) || e.Status != http.StatusConflict || !e.Permanent() {
			t.Fatalf("error %v, want a permanent 409", err)
		}
		if s := stats(t, c); s.Rejected != 1 || s.Parts != 1 {
			t.Errorf("stats %+v", s)
		}
	}
}

// A rescan with the same report ID is another revision: the parts of the two are never mixed.
func TestRevisionsOfOneReportDoNotMix(t *testing.T) {
	_, url := newServer(t, nil)
	c := newClient(t, url, tokenA)
	one, two := split(t, sample("r1", 40), 10), split(t, sample("r1", 35), 10)
	for i := range one {
		upload(t, c, one[i])
		if i < len(two) {
			upload(t, c, two[i])
		}
	}
	s := stats(t, c)
	if s.Reports != 2 || s.Findings != 40 || s.Duplicates != 35 {
		t.Fatalf("stats %+v", s)
	}
}

func TestFindingSeenAgainIsUpdated(t *testing.T) {
	_, url := newServer(t, nil)
	c := newClient(t, url, tokenA)
	upload(t, c, split(t, sample("r1", 10), 100)[0])
	r2 := sample("r2", 12)
	r2.Findings[3].Title, r2.Findings[3].Severity = "Changed", report.Critical
	res := upload(t, c, split(t, r2, 100)[0])
	if res.FindingsCreated != 2 || res.FindingsUpdated != 10 || res.AssetsUpdated != 1 || res.AssetsCreated != 0 {
		t.Fatalf("result %+v", res)
	}
	all := findings(t, c, ingest.Query{})
	if len(all) != 12 {
		t.Fatalf("%d findings, want 12", len(all))
	}
	changed := 0
	for _, f := range all {
		if f.ReportID != "r2" {
			t.Errorf("finding %q was last seen by %s", f.Title, f.ReportID)
		}
		if f.Title == "Changed" {
			changed++
			if f.Severity != report.Critical || f.Seen != 2 || !strings.Contains(string(f.Raw), "Changed") {
				t.Errorf("changed finding %+v", f)
			}
		}
	}
	if changed != 1 {
		t.Errorf("%d changed findings, want 1", changed)
	}
	if s := stats(t, c); s.Findings != 12 || s.Duplicates != 10 || s.Reports != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestTenantsDoNotSeeEachOther(t *testing.T) {
	_, url := newServer(t, func(c *HandlerConfig) {
		c.Tokens["token-of-the-admin"], c.Admins = "admin", []string{"admin"}
	})
	a, b := newClient(t, url, tokenA), newClient(t, url, tokenB)
	r := sample("r1", 10)
	p := split(t, r, 100)[0]
	fp := r.Findings[0].ComputeFingerprint()
	upload(t, a, p)
	if res := upload(t, b, p); res.Duplicate || res.FindingsCreated != 10 {
		t.Errorf("tenant b's first upload of the same part: %+v", res)
	}
	r2 := sample("r2", 5)
	r2.Assets[0].Value = "https://example.com/only-a"
	upload(t, a, split(t, r2, 100)[0])
	if n := len(findings(t, a, ingest.Query{})); n != 15 {
		t.Errorf("a has %d findings, want 15", n)
	}
	if n := len(findings(t, b, ingest.Query{})); n != 10 {
		t.Errorf("b has %d findings, want 10", n)
	}
	if n := len(findings(t, b, ingest.Query{ReportID: "r2"})); n != 0 {
		t.Errorf("b sees %d findings of a's report", n)
	}
	if s := stats(t, b); s.Findings != 10 || s.Tenants != nil || s.Tenant != "b" {
		t.Errorf("stats of b: %+v", s)
	}
	admin := newClient(t, url, "token-of-the-admin")
	if s := stats(t, admin); s.Findings != 25 || s.Tenants["a"].Findings != 15 {
		t.Errorf("stats of the admin: %+v", s)
	}
	if n := len(findings(t, admin, ingest.Query{})); n != 0 {
		t.Errorf("the admin sees %d findings", n)
	}
	if got, err := admin.Check(context.Background(), []string{fp}); err != nil || len(got.Existing) != 0 {
		t.Errorf("check by a stranger: %+v, %v", got, err)
	}
	if got, err := a.Check(context.Background(), []string{fp, "nope"}); err != nil || len(got.Existing) != 1 || len(got.Missing) != 1 {
		t.Errorf("check by the owner: %+v, %v", got, err)
	}
}

func TestFindingsFilters(t *testing.T) {
	_, url := newServer(t, nil)
	c := newClient(t, url, tokenA)
	upload(t, c, split(t, sample("r1", 100), 1000)[0])
	for name, tc := range map[string]struct {
		q    ingest.Query
		want int
	}{
		"all":           {ingest.Query{}, 100},
		"severity":      {ingest.Query{Severities: []report.Severity{report.High, report.Low}}, 40},
		"min severity":  {ingest.Query{MinSeverity: report.High, Limit: 3}, 40},
		"tool":          {ingest.Query{Tool: "semgrep"}, 100},
		"other tool":    {ingest.Query{Tool: "trivy"}, 0},
		"rule":          {ingest.Query{Rule: "rule-3"}, 14},
		"path":          {ingest.Query{PathPrefix: "src/dir1/"}, 2},
		"path no glob":  {ingest.Query{PathPrefix: "src/%"}, 0},
		"report":        {ingest.Query{ReportID: "r1", Limit: 33}, 100},
		"other report":  {ingest.Query{ReportID: "r2"}, 0},
		"path and rule": {ingest.Query{PathPrefix: "src/", Rule: "rule-0", MinSeverity: report.Critical}, 3},
	} {
		if got := findings(t, c, tc.q); len(got) != tc.want {
			t.Errorf("%s: %d findings, want %d", name, len(got), tc.want)
		}
	}
	for _, bad := range []ingest.Query{{MinSeverity: "urgent"}, {Limit: 1001}, {Cursor: "x"}, {Cursor: "9-1"}} {
		_, err := c.Findings(context.Background(), bad)
		if e := new(ingest.Error); !errors.As(err, &e) || e.Status != 400 {
			t.Errorf("query %+v: %v, want 400", bad, err)
		}
	}
}
