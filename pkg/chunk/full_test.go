package chunk

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rediverio/sdk/pkg/part"
)

// A store that refuses reports is full, however small it is; one that holds uploaded reports is not, for these
// makes room.
func TestFull(t *testing.T) {
	cfg := Config{MinFindingsForChunking: 2, MaxFindingsPerChunk: 2, MaxConcurrentUploads: 100, AggressiveCleanup: true, MaxStorageMB: 16}
	m := open(t, cfg) // which keeps uploaded reports while there is space
	fill := func(id string, n int) (err error) {
		for i := 0; err == nil && i < n; i++ {
			_, err = m.Put(t.Context(), bulky(fmt.Sprint(id, i), 1), part.Envelope{})
		}
		return err
	}
	full := func(what string, least, most float64) {
		t.Helper()
		s, err := m.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Full(); got < least || got > most {
			t.Errorf("%s: %.1f %% full, want %v to %v: %+v", what, got, least, most, s)
		}
	}
	full("empty", 0, 5)
	for i := range 6 {
		if err := fill(fmt.Sprint("sent", i), 3); err != nil {
			t.Fatal(err)
		}
		drain(t, m)
	}
	if s, err := m.Stats(t.Context()); err != nil || s.UsedBytes < s.RoomBytes*3/4 {
		t.Fatalf("nothing is kept: %+v, %v", s, err)
	}
	full("all uploaded", 0, 15)
	var refused *StorageFullError
	if err := fill("waiting", 16); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	full("refuses reports", 85, 100)
	drain(t, m)
	full("uploaded", 0, 15)
}
