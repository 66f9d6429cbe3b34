package limits

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
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
		if f.Tag.Get("json") == "" || f.Tag.Get("json") != f.Tag.Get("yaml") {
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

func TestControllerConfigOnlyTightens(t *testing.T) {
	got := DefaultLimits().ControllerConfig(resource.ControllerConfig{})
	d := resource.DefaultControllerConfig()
	if got.CPUThreshold != d.CPUThreshold || got.MemoryThreshold != d.MemoryThreshold || got.CPUWarning != 80 ||
		got.MaxConcurrentJobs != d.MaxConcurrentJobs || got.SampleInterval != d.SampleInterval {
		t.Errorf("by default: %+v", got)
	}
	l := Limits{
		Computational: ComputationalLimits{CPUThresholdCrit: 0.5, CPUThresholdWarn: 0.4, MaxConcurrentOps: 1, CPUMonitorInterval: 2 * time.Second},
		Memory:        MemoryLimits{MemoryCritThreshold: 0.6, MemoryWarnThreshold: -1, MemoryCheckInterval: time.Second},
	}
	got = l.ControllerConfig(resource.ControllerConfig{CPUThreshold: -1, MaxConcurrentJobs: 9, MinConcurrentJobs: 3, CooldownDuration: time.Minute})
	if got.CPUThreshold != 50 || got.CPUWarning != 40 || got.MaxConcurrentJobs != 1 || got.MinConcurrentJobs != 1 || got.SampleInterval != time.Second ||
		got.MemoryThreshold != 60 || got.MemoryWarning != 55 || got.CooldownDuration != time.Minute {
		t.Errorf("tightened: %+v", got)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	off := ComputationalLimits{CPUThresholdCrit: -1, CPUThresholdWarn: -1}.ControllerConfig(resource.ControllerConfig{CPUThreshold: -1})
	if off.CPUThreshold != -1 || off.CPUWarning != -1 {
		t.Errorf("off: %+v", off)
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

func TestGroup(t *testing.T) {
	g := NewGroup(3)
	release := make(chan struct{})
	for range 3 {
		if err := g.Go(func() { <-release }); err != nil {
			t.Fatal(err)
		}
	}
	var limit *ErrLimit
	if err := g.Go(func() { t.Error("ran over budget") }); !errors.As(err, &limit) || limit.Value != 4 || limit.Bound != 3 || limit.Field != "max_goroutines" {
		t.Errorf("the fourth of three: %v", err)
	}
	if u := g.Usage(); u != (Usage{Name: "computational.max_goroutines", Used: 3, Limit: 3, Refused: 1}) {
		t.Errorf("%+v", u)
	}
	close(release)
	g.Wait()
	if s := g.Stats(); s != (GroupStats{Budget: 3, Peak: 3, Refused: 1}) {
		t.Errorf("%+v", s)
	}
	if err := g.Go(func() {}); err != nil {
		t.Errorf("after the others ended: %v", err)
	}
	g.Wait()
	if NewGroup(0).budget != DefaultComputationalLimits().MaxGoroutines || NewGroup(-5).budget != 1 {
		t.Error("budget of a group made with 0 or less")
	}
}

func TestGroupUnderLoad(t *testing.T) {
	g := NewGroup(4)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				g.Go(runtime.Gosched)
			}
		})
	}
	wg.Wait()
	g.Wait()
	if s := g.Stats(); s.Peak > 4 || s.Running != 0 {
		t.Errorf("%+v", s)
	}
}

func TestFreeSpace(t *testing.T) {
	dir := t.TempDir()
	if err := (FileSystemLimits{MinFreeDiskSpaceMB: 1}).FreeSpace(dir); err != nil {
		t.Error(err)
	}
	var limit *ErrLimit
	err := (FileSystemLimits{MinFreeDiskSpaceMB: 1 << 30}).FreeSpace(dir)
	if !errors.As(err, &limit) || limit.Field != "min_free_disk_space_mb" || limit.Bound != 1<<30 || limit.Value <= 0 {
		t.Errorf("a petabyte free: %v", err)
	}
	if err := (FileSystemLimits{MinFreeDiskSpaceMB: -1}).FreeSpace("/no/such/dir"); err != nil {
		t.Errorf("off: %v", err)
	}
	if err := DefaultFileSystemLimits().FreeSpace(dir + "/missing"); err == nil {
		t.Error("a directory that is not there has free space")
	}
}
