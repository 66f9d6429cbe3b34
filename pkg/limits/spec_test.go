package limits

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/resource"
)

// specified are the fields of the four sets in the document they come from.
var specified = map[string]string{
	"computational": `max_goroutines max_worker_pools max_channel_buffers cpu_threshold_warn cpu_threshold_crit
		cpu_monitor_interval max_concurrent_ops operation_timeout goroutine_leak_threshold scheduler_preemption`,
	"memory": `max_heap_size_mb heap_growth_threshold_mb gc_target_percent max_log_entries max_request_history
		max_process_history max_error_entries max_url_entries max_string_buffer_size max_json_buffer_size
		memory_check_interval memory_warn_threshold memory_crit_threshold enable_leak_detection leak_check_interval`,
	"network": `max_total_connections max_proxy_connections max_mcp_connections max_websocket_clients
		max_bandwidth_mbps max_requests_per_second max_response_size_mb connection_timeout read_timeout write_timeout
		idle_timeout enable_rate_limit rate_limit_window rate_limit_max_requests circuit_breaker_enabled
		circuit_breaker_threshold circuit_breaker_timeout`,
	"file_system": `max_file_descriptors max_open_files max_log_files max_log_file_size_mb max_total_log_size_mb
		max_temp_file_size_mb max_concurrent_reads max_concurrent_writes io_timeout min_free_disk_space_mb
		disk_space_check_interval max_watched_files file_watch_timeout`,
}

// added are fields that the document does not have.
var added = map[string]bool{"memory.heap_share": true, "memory.heap_guard": true}

// Each specified field exists, and docs/limits.md names what enforces it, or is left out, and the page gives the reason.
func TestEverySpecifiedFieldIsHeldOrLeftOut(t *testing.T) {
	b, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	held, left, ok := strings.Cut(string(b), "\n## Left out\n")
	if !ok {
		t.Fatal("docs/limits.md has no part that names what is left out")
	}
	ours := map[string]bool{}
	for _, set := range fields(reflect.ValueOf(Limits{})) {
		if set.name == "degradation" || set.name == "rebalancing" { // is not of that document
			continue
		}
		for _, f := range fields(set.value) {
			ours[set.name+"."+f.name] = true
		}
	}
	for set, names := range specified {
		for _, name := range strings.Fields(names) {
			is := ours[set+"."+name]
			delete(ours, set+"."+name)
			if said := strings.Contains(held, "| `"+set+"."+name+"` |"); said != is {
				t.Errorf("%s.%s: exists is %v, but a row that names its enforcement is %v", set, name, is, said)
			}
			if said := strings.Contains(left, "| `"+name+"` |"); said == is {
				t.Errorf("%s.%s: exists is %v, and a row under Left out is %v", set, name, is, said)
			}
		}
	}
	for name := range ours {
		if added[name] {
			continue
		}
		t.Errorf("%s is not a field of the specification", name)
	}
}

// The table of docs/limits.md names for each limit the numbers that it counts, and no other: those that a test saw move
// when it drove the limit to its bound.
func TestEveryLimitHasItsMetric(t *testing.T) {
	b, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]bool{}
	l := DefaultLimits()
	all := append(ControllerUsage(resource.ControllerConfig{}, resource.ControllerStatus{}), l.Memory.Usage(resource.SystemMetrics{}),
		l.FileSystem.Usage(resource.SystemMetrics{}), NewHeapGuard(l.Memory).Usage())
	for _, u := range all {
		if _, ok := atTheBound[u.Name]; !ok || counted[u.Name] {
			t.Errorf("%s: no test drives it to its bound, or it is there twice", u.Name)
		}
		counted[u.Name] = true
	}
	rows := 0
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		name := strings.Trim(cells[0], "|` ")
		set, _, _ := strings.Cut(name, ".")
		if _, ok := specified[set]; !ok && set != "resource" || set == "network" || len(cells) != 4 { // package transport has the network
			continue
		}
		rows++
		u := atTheBound[name]
		for word, moves := range map[string]bool{"used": u.Used > 0, "refused": u.Refused > 0, "waited": u.Waited > 0} {
			if said := strings.Contains(cells[3], "`"+word+"`"); said != moves {
				t.Errorf("%s: the page says that it counts %s: %v; it does: %v", name, word, said, moves)
			}
		}
		delete(counted, name)
	}
	if len(counted) > 0 || rows < 12 {
		t.Errorf("no row for %v; %d rows", counted, rows)
	}
}
