package scan_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/scan"
)

func TestProcessInJSONSaysItsUnits(t *testing.T) {
	p := scan.Process{
		Path: "/bin/x", Cause: scan.CauseExit, Duration: 1500 * time.Millisecond, UserCPU: 20 * time.Millisecond,
		SystemCPU: 10 * time.Millisecond, CPU: 40 * time.Millisecond, PeakMemory: 7,
	}
	got, err := json.Marshal(&p)
	const want = `{"path":"/bin/x","cause":"exit","exit_code":0,"containment":"","peak_memory":7,` +
		`"duration_ms":1500,"user_cpu_ms":20,"system_cpu_ms":10,"cpu_ms":40}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
	var back scan.Process
	if err := json.Unmarshal(got, &back); err != nil || back != p {
		t.Errorf("read again: %+v, %v", back, err)
	}
}
