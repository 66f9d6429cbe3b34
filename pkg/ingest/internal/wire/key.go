package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rediverio/sdk/pkg/report"
)

// MaxKeyLen is the longest idempotency key in bytes. The key of a part with the longest report ID fits.
const MaxKeyLen = 512

// SubmitFormat is the format in which an agent writes the time at which it accepted a report. It has the millisecond
// precision of the agent's store, so that a part carries the same time after a restart.
const SubmitFormat = "2006-01-02T15:04:05.000Z07:00"

// CheckKey returns an error unless key can be an idempotency key.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKeyLen || strings.ContainsFunc(key, NotTokenRune) {
		return fmt.Errorf("idempotency key %q: want 1 to %d printable ASCII characters", Clip(key, 64), MaxKeyLen)
	}
	return nil
}

// NotTokenRune reports whether r may not occur in a header value of the protocol.
func NotTokenRune(r rune) bool { return r <= ' ' || r >= 0x7f }

// ParseCursor reads the cursor of a page of findings: the severity and the content ID of the last finding of the page
// before. An empty cursor is the beginning.
func ParseCursor(cursor string) (rank int, id int64, err error) {
	if cursor == "" {
		return report.Critical.Rank(), math.MaxInt64, nil
	}
	r, i, ok := strings.Cut(cursor, "-")
	rank, err1 := strconv.Atoi(r)
	id, err2 := strconv.ParseInt(i, 10, 64)
	if !ok || err1 != nil || err2 != nil || rank < 0 || rank > report.Critical.Rank() {
		return 0, 0, fmt.Errorf("cursor %q: want the cursor of an answer", Clip(cursor, 32))
	}
	return rank, id, nil
}
