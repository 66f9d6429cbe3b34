package limits

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/resource"
)

func TestDefaults(t *testing.T) {
	d := DefaultLimits()
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if err := (Limits{}).Validate(); err != nil {
		t.Error("zero fields mean defaults:", err)
	}
	if want := max(32, min(8*runtime.NumCPU(), 512)); d.Computational.MaxGoroutines != want {
		t.Errorf("max_goroutines %d, want %d", d.Computational.MaxGoroutines, want)
	}
	if d.Memory.MaxHeapSizeMB != 512 || d.Network.MaxTotalConnections != 100 || !d.Network.EnableRateLimit ||
		d.Network.ReadTimeout != 30*time.Second || d.FileSystem.MinFreeDiskSpaceMB != 1000 {
		t.Errorf("defaults %+v", d)
	}
	partial := NetworkLimits{MaxTotalConnections: 7}.WithDefaults()
	if partial.MaxTotalConnections != 7 || partial.IdleTimeout != DefaultIdleTimeout || partial.EnableRateLimit {
		t.Errorf("partial %+v", partial)
	}
}

// Every field can be wrong by itself, and the error names field, value and bound: all of them at once.
func TestValidateNamesEveryField(t *testing.T) {
	var bad Limits
	var names []string
	for _, set := range fields(reflect.ValueOf(&bad).Elem()) {
		for _, f := range fields(set.value) {
			switch f.value.Kind() {
			case reflect.Int, reflect.Int64:
				f.value.SetInt(-7)
			case reflect.Float64:
				f.value.SetFloat(math.NaN())
			default:
				continue
			}
			names = append(names, f.name)
		}
	}
	if len(names) < 18 {
		t.Fatalf("found only %q", names)
	}
	err := bad.Validate()
	for _, name := range names {
		if err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
	bytes := Limits{Memory: MemoryLimits{MaxHeapSizeMB: 512 * 1024 * 1024}}
	if err := bytes.Validate(); err == nil || !strings.Contains(err.Error(), "max_heap_size_mb: 536870912 is outside 16 to 16777216") {
		t.Errorf("a number of bytes: %v", err)
	}
	crossed := ComputationalLimits{CPUThresholdWarn: 0.9, CPUThresholdCrit: 0.8}
	if err := crossed.Validate(); err == nil || !strings.Contains(err.Error(), "cpu_threshold_warn: 0.9 is not below") {
		t.Errorf("crossed: %v", err)
	}
}

type field struct {
	name  string
	value reflect.Value
}

func fields(v reflect.Value) (fs []field) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		fs = append(fs, field{f.Tag.Get("json"), v.Field(i)})
		if f.Tag.Get("json") == "" || f.Tag.Get("yaml") != "-" && f.Tag.Get("json") != f.Tag.Get("yaml") {
			panic("tags of " + f.Name)
		}
	}
	return fs
}

func TestJSONRoundTrip(t *testing.T) {
	b, err := json.Marshal(DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	var back Limits
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, DefaultLimits()) {
		t.Errorf("%+v, %v", back, err)
	}
	for _, key := range []string{`"max_heap_size_mb":512`, `"cpu_threshold_crit":0.95`, `"min_free_disk_space_mb":1000`, `"file_system"`} {
		if !strings.Contains(string(b), key) {
			t.Errorf("%s is not in %s", key, b)
		}
	}
}

func TestControllerConfigMergesWithResource(t *testing.T) {
	base := resource.ControllerConfig{MaxConcurrentJobs: 16, CPUThreshold: 70, CooldownDuration: time.Minute}
	if got, err := DefaultLimits().ControllerConfig(base); err != nil || !reflect.DeepEqual(got, base) {
		t.Errorf("ControllerConfig of the defaults = %+v, %v, want %+v", got, err, base)
	}
	l := Limits{
		Computational: ComputationalLimits{CPUThresholdCrit: 0.5, CPUThresholdWarn: 0.4, MaxConcurrentOps: 9, MaxGoroutines: 2 * GoroutinesPerJob, CPUMonitorInterval: 2 * time.Second},
		Memory:        MemoryLimits{MemoryCritThreshold: 0.6, MemoryWarnThreshold: -1},
	}
	got, err := l.ControllerConfig(resource.ControllerConfig{CooldownDuration: time.Minute})
	if err != nil || got.CPUThreshold != 50 || got.CPUWarning != 40 || got.MaxConcurrentJobs != 2 || got.SampleInterval != 2*time.Second ||
		got.MemoryThreshold != 60 || got.MemoryWarning != -1 || got.CooldownDuration != time.Minute {
		t.Errorf("ControllerConfig = %+v, %v", got, err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	_, err = l.ControllerConfig(base)
	for _, conflict := range []string{
		"limits.computational.max_goroutines: 2 conflicts with resource.max_concurrent_jobs: 16; set one of them",
		"limits.computational.cpu_threshold_crit: 50 conflicts with resource.cpu_threshold: 70",
	} {
		if err == nil || !strings.Contains(err.Error(), conflict) {
			t.Errorf("ControllerConfig = %v, want %q in it", err, conflict)
		}
	}
}

func TestApply(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	restore := MemoryLimits{MaxHeapSizeMB: 64, GCTargetPercent: 50}.Apply()
	if got := debug.SetMemoryLimit(-1); got != 64<<20 {
		t.Errorf("memory limit %d", got)
	}
	if got := debug.SetGCPercent(50); got != 50 {
		t.Errorf("GC percent %d", got)
	}
	restore()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("restored to %d, was %d", got, before)
	}
}

func TestFreeSpace(t *testing.T) {
	dir := t.TempDir()
	if err := (FileSystemLimits{MinFreeDiskSpaceMB: 1}).FreeSpace(dir); err != nil {
		t.Error(err)
	}
	var limit *LimitError
	err := (FileSystemLimits{MinFreeDiskSpaceMB: 1 << 30}).FreeSpace(dir)
	if !errors.As(err, &limit) || limit.Field != "limits.file_system.min_free_disk_space_mb" || limit.Bound != 1<<30 || limit.Value <= 0 {
		t.Errorf("a petabyte free: %v", err)
	}
	if err := (FileSystemLimits{MinFreeDiskSpaceMB: -1}).FreeSpace("/no/such/dir"); err != nil {
		t.Errorf("off: %v", err)
	}
	if err := DefaultFileSystemLimits().FreeSpace(dir + "/missing"); err == nil {
		t.Error("a directory that is not there has free space")
	}
}
