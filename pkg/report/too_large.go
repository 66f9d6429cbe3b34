package report

import "fmt"

// TooLargeError is returned for a finding, asset or dependency that exceeds a bound by itself, or together with the items
// that must be in the same part. The report continues without it.
type TooLargeError struct {
	Item    string // such as "finding 12", or "finding 12 with its asset, tool and metadata"
	Size    int64  // bytes of JSON
	Bound   int64  // bytes of JSON
	Setting string // name of the bound, such as "max_item_bytes"
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: %d bytes of JSON, %s is %d", e.Item, e.Size, e.Setting, e.Bound)
}
