package agent_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/event"
	"github.com/rediverio/sdk/pkg/watch"
)

// shapes lists what every event of a type has in the test below: IDs, and at least these details.
var shapes = map[event.Type]struct {
	ids, details string
	lasts        bool // it has a duration
}{
	event.AgentStart: {"", "version pid containment", false},
	event.AgentStop:  {"", "jobs_completed jobs_failed reports_left", true},
	event.AgentError: {"", "", false},

	event.JobReceived:  {"tenant job", "scanner target attempt", false},
	event.JobStarted:   {"tenant job", "scanner target", false},
	event.JobCompleted: {"tenant job report", "scanner target findings_count partial", true},
	event.JobFailed:    {"tenant job", "scanner target cause exit_code stderr", true},
	event.JobTimeout:   {"tenant job", "scanner target cause", true},

	event.ScanStarted:   {"tenant job report", "scanner target path target_files target_bytes", false},
	event.ScanCompleted: {"tenant job report", "scanner target findings parts partial exit_code peak_memory_bytes cpu_ms containment", true},
	event.ScanFailed:    {"tenant job report", "scanner target cause exit_code", true},

	event.UploadStarted:   {"tenant job report", "chunk_index total_chunks size attempt", false},
	event.UploadCompleted: {"tenant job report", "parts findings_created findings_updated bytes_sent", true},
	event.UploadFailed:    {"tenant job report", "attempts parts dead_parts", false},
	event.UploadRetry:     {"tenant job report", "chunk_index total_chunks size attempt status next_try counts", false},

	event.ChunkCreated:  {"tenant job report", "parts findings assets oversize_parts bytes_raw bytes_stored", false},
	event.ChunkUploaded: {"tenant job report", "chunk_index total_chunks size attempt", false},
	event.ChunkFailed:   {"tenant job report", "chunk_index total_chunks size attempt", false},
	event.ChunkCleanup:  {"tenant job report", "reason bytes_freed reports unsent", false},

	event.ResourceThrottle: {"", "resource value limit unit samples active_jobs pending_jobs max_jobs rejected_jobs", false},
	event.ResourceResume:   {"", "resource value limit unit samples active_jobs pending_jobs max_jobs rejected_jobs", true},
	event.ResourceWarning:  {"", "resource value limit unit samples active_jobs pending_jobs max_jobs rejected_jobs", false},

	event.ConcurrencyChanged: {"", "from to reason active_jobs pending_jobs max_jobs rejected_jobs", true},

	event.BudgetChanged:      {"", "policy reason dry_run budgets", false},
	event.DegradationChanged: {"", "from to reason metric value limit vitals", true},

	event.ProcessWarning: {"", "pid start boot_id name rule reason level value limit action", false},
	event.ProcessStopped: {"", "pid start boot_id name command rule reason level value limit action memory_bytes age_ms", false},
	event.CacheCleanup:   {"", "path bytes limit files bytes_freed removed_files in_use young action", false},

	event.InstanceStarted: {"", "name pid", true},
	event.InstanceStopped: {"", "name cause pid calls exit_code peak_memory_bytes survivors", true},

	event.AuthFailed:      {"", "status", false},
	event.RateLimited:     {"", "status", false},
	event.ValidationError: {"", "", false},
}

// An agent with a real chunk store, ingest server, scanner processes and resource controller meets success and every kind
// of failure. Every type of event is recorded, with its IDs and details, and docs/formats.md documents all of them.
func TestEveryTypeOfEventAppears(t *testing.T) {
	l := newLife(t)
	l.waitN(1, event.AgentStart)
	l.busyHost()
	l.adaptedHost()
	l.waitN(1, event.BudgetChanged)
	l.goodScan()
	l.badScans()
	l.unwillingReceiver()
	l.refusedReport()
	l.unwillingSource()
	l.watchedHost()
	l.pooledServers()
	l.cancel()
	must(t, l.end(t))

	events := l.events.Events()
	if first, last := events[0].Type, events[len(events)-1].Type; first != event.AgentStart || last != event.AgentStop {
		t.Errorf("first event %s, last event %s; want agent_start and agent_stop", first, last)
	}
	seen := map[event.Type]int{}
	for _, e := range events {
		seen[e.Type]++
		checkShape(t, e)
	}
	documented := documentedDetails(t)
	for _, typ := range event.Types() {
		t.Logf("%4d %s", seen[typ], typ)
		if seen[typ] == 0 && (watch.Supported() || !slices.Contains(watchedTypes, typ)) {
			t.Errorf("no event of type %s was recorded", typ)
		}
	}
	for _, e := range events {
		for key := range e.Details {
			if !documented[e.Type][key] {
				t.Errorf("docs/formats.md does not document the detail %s of %s", key, e.Type)
			}
		}
	}
}

func checkShape(t *testing.T, e event.Event) {
	t.Helper()
	want, known := shapes[e.Type]
	if !known {
		t.Errorf("%s has no entry in shapes", e.Type)
	}
	have := map[string]string{"tenant": e.TenantID, "job": e.JobID, "report": e.ReportID}
	for _, id := range strings.Fields(want.ids) {
		if have[id] == "" {
			t.Errorf("%s event without the ID of its %s: %+v", e.Type, id, e)
		}
	}
	for _, key := range strings.Fields(want.details) {
		if _, ok := e.Details[key]; !ok {
			t.Errorf("%s event without the detail %s: %+v", e.Type, key, e)
		}
	}
	if e.Message == "" || want.lasts != (e.Duration > 0) || e.Severity.Rank() >= event.Error.Rank() && e.Error == "" {
		t.Errorf("%+v", e)
	}
	if _, err := json.Marshal(e); err != nil {
		t.Errorf("%s: %v", e.Type, err)
	}
}

// documentedDetails reads the table of types in docs/formats.md.
func documentedDetails(t *testing.T) map[event.Type]map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats.md"))
	must(t, err)
	name := regexp.MustCompile("`([a-z_]+)`")
	out := map[event.Type]map[string]bool{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || !name.MatchString(cells[1]) {
			continue
		}
		details := map[string]bool{}
		for _, m := range name.FindAllStringSubmatch(cells[4], -1) {
			details[m[1]] = true
		}
		out[event.Type(name.FindStringSubmatch(cells[1])[1])] = details
	}
	return out
}
