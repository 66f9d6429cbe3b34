package report

import "fmt"

// TooLargeError is returned for a finding, asset or dependency that is over a bound by itself or together with what it
// needs. The report continues without that item.
type TooLargeError struct {
	Item    string // such as "finding 12", or "finding 12 with its asset, tool and metadata"
	Size    int64  // bytes of JSON
	Bound   int64  // bytes
	Setting string // name of the bound, such as "split.max_item_bytes"
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: %d bytes of JSON, %s is %d", e.Item, e.Size, e.Setting, e.Bound)
}
