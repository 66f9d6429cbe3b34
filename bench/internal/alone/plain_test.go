package alone

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/rediverio/sdk/bench/internal/sample"
)

// The plain structs encode to the same JSON as the report. Otherwise the comparison would be of different work.
func TestPlainSaysTheSame(t *testing.T) {
	r := sample.Report("r", 50)
	r.Version = "1.0"
	var got [2]any
	for i, v := range []any{r, plain(r)} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got[0], got[1]) {
		t.Errorf("report: %v\nplain: %v", got[0], got[1])
	}
}
