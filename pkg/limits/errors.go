package limits

import "fmt"

// ErrLimit says that a limit was reached. Functions return a *ErrLimit; find it with errors.As.
type ErrLimit struct {
	Field string  // name of the limit in the configuration
	Value float64 // what was asked for or found, in the unit of the field; seconds for a time
	Bound float64 // the limit
}

func (e *ErrLimit) Error() string {
	return fmt.Sprintf("limit %s: %.6g against %.6g", e.Field, e.Value, e.Bound)
}
