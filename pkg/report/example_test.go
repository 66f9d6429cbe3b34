package report_test

import (
	"encoding/json"
	"fmt"

	"github.com/rediverio/sdk/pkg/report"
)

// Members that this version of the SDK does not know survive a round trip.
func ExampleExtra() {
	var f report.Finding
	if err := json.Unmarshal([]byte(`{"type":"secret","title":"t","severity":"low","blast_radius":7}`), &f); err != nil {
		fmt.Println(err)
		return
	}
	b, err := json.Marshal(f)
	fmt.Println(string(f.Extra["blast_radius"]), string(b), err)
	// Output:
	// 7 {"type":"secret","title":"t","severity":"low","blast_radius":7} <nil>
}
