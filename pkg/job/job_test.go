package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
)

// The names are part of the format of job files and never change.
func TestSpecJSON(t *testing.T) {
	want := Spec{
		ID: "j1", TenantID: "t1", Kind: "scan", Scanner: "gitleaks", Target: "/src", Priority: 5, Timeout: time.Minute,
		Attempt: 2, NotAfter: time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), LeaseTTL: time.Second, Payload: json.RawMessage(`{"depth":1}`),
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	const line = `{"id":"j1","tenant":"t1","kind":"scan","scanner":"gitleaks","target":"/src","priority":5,"timeout":60000000000,` +
		`"attempt":2,"not_after":"2026-08-01T00:00:00Z","lease_ttl":1000000000,"payload":{"depth":1}}`
	if string(b) != line {
		t.Errorf("got  %s\nwant %s", b, line)
	}
	var got Spec
	if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLeaseErrorsAreDistinct(t *testing.T) {
	lost, canceled := fmt.Errorf("extend j1: %w", ErrLeaseLost), fmt.Errorf("extend j1: %w", ErrCanceled)
	if !errors.Is(lost, ErrLeaseLost) || errors.Is(lost, ErrCanceled) || !errors.Is(canceled, ErrCanceled) || errors.Is(canceled, ErrLeaseLost) {
		t.Error("errors.Is does not distinguish ErrLeaseLost from ErrCanceled")
	}
}
