package event

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tools of operators read this line: names, order and units never change.
func TestEventJSON(t *testing.T) {
	at := time.Date(2026, 8, 1, 14, 30, 0, 123456789, time.FixedZone("CEST", 7200))
	for want, e := range map[string]Event{
		`{"timestamp":"2026-08-01T12:30:00.123456789Z","type":"job_completed","severity":"INFO","agent_id":"a","tenant_id":"t",` +
			`"job_id":"j","report_id":"r","message":"done","error":"none","duration_ms":1500,"details":{"findings":3}}`: {
			Timestamp: at, Type: JobCompleted, AgentID: "a", TenantID: "t", JobID: "j", ReportID: "r", Message: "done",
			Error: "none", Duration: 1500 * time.Millisecond, Details: map[string]any{"findings": 3},
		},
		`{"timestamp":"0001-01-01T00:00:00Z","type":"agent_stop","severity":"WARN","message":""}`: {Type: AgentStop, Severity: Warn},
		`{"timestamp":"2026-08-01T12:30:00.123456789Z","type":"","severity":"INFO","message":"","duration_ms":0.0015}`: {
			Timestamp: at, Duration: 1500,
		},
	} {
		b, err := json.Marshal(e)
		if err != nil || string(b) != want {
			t.Errorf("got  %s, %v\nwant %s", b, err, want)
		}
	}
}

func TestEventRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		want := Event{
			Timestamp: time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC(), Type: Types()[r.IntN(len(Types()))], Severity: Error,
			JobID: "j", Message: "line\none \"two\" \u2028 ä", Duration: time.Duration(r.Int64N(int64(time.Hour)) >> r.IntN(40)),
			Details: map[string]any{"n": 1.5, "list": []any{"x", nil, true}},
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Event
		if err := json.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, want)
		}
		if strings.ContainsRune(string(b), '\n') {
			t.Fatalf("Marshal = %s, want one line", b)
		}
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for _, bad := range []string{`{"timestamp":"yesterday"}`, `{"duration_ms":"1s"}`, `{"details":[]}`, `[]`, `{`} {
		e := Event{Message: "before"}
		if err := json.Unmarshal([]byte(bad), &e); err == nil || e.Message != "before" {
			t.Errorf("%s: %v, %+v", bad, err, e)
		}
	}
}

func TestTypesListsEachTypeOnce(t *testing.T) {
	seen := map[Type]bool{}
	for _, typ := range Types() {
		if seen[typ] || typ == "" || strings.ToLower(string(typ)) != string(typ) {
			t.Errorf("%q is empty or listed twice", typ)
		}
		seen[typ] = true
	}
	if len(seen) != 33 {
		t.Errorf("%d types, want 33", len(seen))
	}
}

func TestSeverityRank(t *testing.T) {
	for i, s := range []Severity{Debug, Info, Warn, Error, Critical} {
		if s.Rank() != i {
			t.Errorf("%s.Rank() = %d, want %d", s, s.Rank(), i)
		}
	}
	if Severity("").Rank() != Info.Rank() || Severity("info").Rank() != Info.Rank() {
		t.Error("Rank of an empty or unknown severity is not that of Info")
	}
}

// record returns a Sink that appends the messages to lines, with a prefix.
type record struct {
	prefix string
	mu     *sync.Mutex
	lines  *[]string
}

func (r record) Record(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.lines = append(*r.lines, r.prefix+e.Message)
}

func TestTeeRecordsToAllInOrder(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	a, b := record{"a:", &mu, &lines}, record{"b:", &mu, &lines}
	tee := Tee(a, nil, b, SinkFunc(func(e Event) { record{"c:", &mu, &lines}.Record(e) }), nil)
	tee.Record(Event{Message: "1"})
	tee.Record(Event{Message: "2"})
	if want := "a:1 b:1 c:1 a:2 b:2 c:2"; strings.Join(lines, " ") != want {
		t.Errorf("got %v, want %s", lines, want)
	}
}

func TestTeeOfFew(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	one := record{"", &mu, &lines}
	if got := Tee(nil, one); got != Sink(one) {
		t.Errorf("Tee of one sink is a %T, want the sink", got)
	}
	Tee().Record(Event{}) // a Tee without sinks is a Sink as well
	Tee(nil, nil).Record(Event{})
	OrNop(nil).Record(Event{})
	OrNop(one).Record(Event{Message: "x"})
	if len(lines) != 1 {
		t.Errorf("got %v", lines)
	}
}

func TestTeeConcurrently(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	tee := Tee(record{"a", &mu, &lines}, record{"b", &mu, &lines})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				tee.Record(Event{})
			}
		})
	}
	wg.Wait()
	if len(lines) != 1600 {
		t.Errorf("%d events recorded, want 1600", len(lines))
	}
}

func FuzzEventUnmarshal(f *testing.F) {
	f.Add([]byte(`{"timestamp":"2026-08-01T12:30:00Z","type":"x","duration_ms":1e300,"details":{"a":[1]}}`))
	f.Add([]byte(`{"duration_ms":-0.5,"severity":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e, again Event
		if json.Unmarshal(b, &e) != nil {
			return
		}
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if e.Type != again.Type || e.Message != again.Message || !e.Timestamp.Equal(again.Timestamp) {
			t.Errorf("round trip of %+v = %+v", e, again)
		}
	})
}

func BenchmarkEventMarshal(b *testing.B) {
	e := Event{Timestamp: time.Now(), Type: ChunkUploaded, ReportID: "r", Message: "part uploaded", Duration: time.Second,
		Details: map[string]any{"index": 3, "total": 10, "bytes": 12345}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(e); err != nil {
			b.Fatal(err)
		}
	}
}
