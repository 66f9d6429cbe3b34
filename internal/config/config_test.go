package config_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/rediverio/sdk/internal/config"
)

func TestDefaultKeepsWhatIsSet(t *testing.T) {
	n, off, text := 0, -1, "set"
	config.Default(&n, 7)
	config.Default(&off, 7)
	config.Default(&text, "default")
	if n != 7 || off != -1 || text != "set" {
		t.Errorf("Default = %d, %d, %q; want 7, -1, set", n, off, text)
	}
	if got := config.OrOff(off); got != 0 {
		t.Errorf("OrOff(-1) = %d, want 0", got)
	}
}

func TestValidatorReportsEveryProblemByItsFullName(t *testing.T) {
	split := config.New("")
	config.Range(split, "max_bytes", 0, 1, 9)

	v := config.New("pipeline")
	config.Range(v, "workers", 3, 1, 4)
	config.Range(v, "ratio", math.NaN(), 0, 1)
	config.RangeOrOff(v, "max_retry_age", -1, time.Second, time.Hour)
	config.RangeOrOff(v, "retry_delay", -2*time.Second, time.Second, time.Hour)
	v.OneOf("policy", "most", "drop-oldest", "drop-newest", "block")
	v.Nest("split", split.Err())
	v.Nest("spool", errors.New("is closed"))

	const want = `pipeline.ratio: NaN is outside 0 to 1
pipeline.retry_delay: -2s is outside 1s to 1h0m0s, and not -1 for off
pipeline.policy: "most": want drop-oldest, drop-newest or block
pipeline.split.max_bytes: 0 is outside 1 to 9
pipeline.spool: is closed`
	if got := fmt.Sprint(v.Err()); got != want {
		t.Errorf("Err() =\n%s\nwant\n%s", got, want)
	}
	for _, err := range config.All(v.Err()) {
		if _, ok := errors.AsType[*config.FieldError](err); !ok {
			t.Errorf("%v is a %T, want *FieldError", err, err)
		}
	}
	if err := config.New("chunk").Err(); err != nil {
		t.Errorf("Err() of a valid section = %v, want nil", err)
	}
}
