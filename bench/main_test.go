package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rediverio/sdk/bench/internal/queue"
)

// TestMain lets the measurements that need a process of their own start this one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func bench(t *testing.T, args ...string) results {
	t.Helper()
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run(t.Context(), append(args, "-o", "json", "-rounds", "1", "-duration", "5ms", "-dir", dir), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var r results
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r
}

// Every queue stores payloads and returns them, and every figure of it is measured.
func TestQueues(t *testing.T) {
	r := bench(t, "-filter", "queues/(1KB/64|256KB/8)/")
	if want := 2 * len(queue.Kinds()); len(r.Queues) != want {
		t.Fatalf("%d results, want %d", len(r.Queues), want)
	}
	for _, q := range r.Queues {
		if q.PutPerSecond <= 0 || q.AckPerSecond <= 0 || q.P50Millis <= 0 || q.P99Millis < q.P50Millis || q.OursPut <= 0 || q.OursAck <= 0 || q.Durable == "" {
			t.Errorf("%+v", q)
		}
		if q.Queue == queue.Ours && (q.OursPut != 1 || q.OursAck != 1) {
			t.Errorf("ours is %g and %g times ours", q.OursPut, q.OursAck)
		}
	}
}

// Granting is measured beside the semaphore. The comparison assumes no allocation for a counted slot and one for a lease.
func TestSlots(t *testing.T) {
	r := bench(t, "-filter", "^slots")
	if len(r.Slots) != 8 || len(r.Queues)+len(r.Logs)+len(r.Alone) != 0 {
		t.Fatalf("%d results of admission: %+v", len(r.Slots), r)
	}
	allocs := map[string]float64{"slots/grant/counter": 0, "slots/refuse/counter": 0, "slots/grant/lease": 1}
	for _, s := range r.Slots {
		if s.Nanos <= 0 || (s.Beside != "") != (s.Ratio > 0) {
			t.Errorf("%+v", s)
		}
		if want, ok := allocs[s.Name]; ok && math.Round(s.Allocs) != want {
			t.Errorf("%s: %v allocations, want %v", s.Name, s.Allocs, want)
		}
	}
}

func TestAlone(t *testing.T) {
	r := bench(t, "-filter", "^(submit/(100|2000)$|drain|memory/put/2000|memory/stream/20000|space)")
	var names []string
	for _, a := range r.Alone {
		if a.Value < 0 || a.Unit == "" || a.Rounds != 1 {
			t.Errorf("%+v", a)
		}
		names = append(names, a.Name)
	}
	for _, want := range []string{"submit/100/x_encode_once", "submit/2000/ms", "drain/200/3_workers/ms", "drain/200/16_workers/ms", "space/50MB/chunks.db"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
}

// Every logger's events are in its files, and every figure of it is measured.
func TestLogs(t *testing.T) {
	r := bench(t, "-filter", "^log/")
	if len(r.Logs) != 5 {
		t.Fatalf("%d results, want 5", len(r.Logs))
	}
	for _, l := range r.Logs {
		if l.Nanos <= 0 || l.LineBytes < 200 || l.Files < 1 || l.What == "" {
			t.Errorf("%+v", l)
		}
	}
}

func TestCheckChild(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), []string{"child", "check", t.TempDir(), "1ms"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var times map[string]float64
	if err := json.Unmarshal(out.Bytes(), &times); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"encode/2000", "submit/100", "submit/20000", "put/16KB/8", "drain/200"} {
		if times[name] <= 0 {
			t.Errorf("%s: %g s", name, times[name])
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{"-filter", "queues/1KB/64/(ours|raw)|log/(ours|slog)|submit/100$", "-rounds", "2", "-duration", "5ms", "-dir", t.TempDir()}, &out, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 KB payload, 64 producers", "ours is", "When put returns", "allocs/event", "slog", "submit/100/x_encode_once"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-filter", "nothing-has-this-name"}, {"-filter", "("}, {"-o", "xml"}, {"-rounds", "-1"}, {"more"}, {"check", "-limit", "x"}, {"child", "x"},
	} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
