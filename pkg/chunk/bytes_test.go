package chunk

import (
	"errors"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
)

func TestBytesOfADeadLetterWithoutDataAreNotCountedAgain(t *testing.T) {
	m := open(t, Config{})
	submit(t, m, testReport("r", 3))
	refused := part.Outcome{Kind: part.Dead, Err: errors.New("refused")}
	p := next(t, m)
	settle(t, m, p, refused)
	if err := m.Storage().DeleteChunkData(t.Context(), p.Key); err != nil {
		t.Fatal(err)
	}
	if n, err := m.Storage().RetryDead(t.Context(), "r"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	settle(t, m, next(t, m), refused)
	if c := m.Counts(); c.Bytes != 0 || c.Parts != 0 {
		t.Fatalf("%+v: nothing waits", c)
	}
}
