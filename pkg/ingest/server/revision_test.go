package server

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rediverio/sdk/pkg/ingest"
	"github.com/rediverio/sdk/pkg/part"
)

// revision returns a report of 30 findings in 3 parts, with text as the message of the first 20.
func revision(t testing.TB, id, text string, at time.Time) []*part.Part {
	t.Helper()
	r := sample(id, 30)
	for _, f := range r.Findings[:20] {
		f.Message = text
	}
	if text == "C" { // as A, and one more: other keys, the same content
		for _, f := range r.Findings[:20] {
			f.Message = "A"
		}
		r.Findings[29].Message = "C"
	}
	parts := split(t, r, 10)
	for _, p := range parts {
		p.SubmittedAt = at
	}
	return parts
}

// says returns the message of the tenant's first 20 findings, which must be the same.
func says(t testing.TB, f ingest.Finder) string {
	t.Helper()
	all := findings(t, f, ingest.Query{})
	if len(all) != 30 {
		t.Fatalf("%d findings, want 30", len(all))
	}
	text := map[string]int{}
	c := false
	for _, one := range all {
		var line int
		if _, err := fmt.Sscanf(one.Title, "Finding number %d", &line); err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(string(one.Raw), `"message":"`)
		if line < 20 {
			text[after[:1]]++
		}
		c = c || line == 29 && after[0] == 'C'
	}
	switch {
	case len(text) != 1:
		t.Fatalf("the findings are of several revisions: %v", text)
	case c && text["A"] == 20:
		return "C"
	}
	for s := range text {
		return s
	}
	return ""
}

func TestLaterSubmissionWinsWhateverArrivesLast(t *testing.T) {
	store, url := newServer(t, nil)
	c := newClient(t, url, tokenA)
	at := func(n int) time.Time { return time.Now().Add(time.Duration(n-10) * time.Minute) }
	sendAll := func(parts []*part.Part, duplicate bool) {
		t.Helper()
		for _, p := range parts {
			if res := upload(t, c, p); res.Duplicate != duplicate {
				t.Errorf("part %d: duplicate %v, want %v", p.Index, res.Duplicate, duplicate)
			}
		}
	}
	want := func(step, text string) {
		t.Helper()
		if got := says(t, store.Tenant("a")); got != text {
			t.Fatalf("%s: the findings say %s, want %s", step, got, text)
		}
		st := stats(t, c)
		if n := count(t, store, "content"); n != 30+10*int(st.Incomplete) {
			t.Fatalf("%s: %d contents of 30 findings", step, n)
		}
	}
	a1, b2, a3 := revision(t, "r", "A", at(1)), revision(t, "r", "B", at(2)), revision(t, "r", "A", at(3))
	if a1[0].Key != a3[0].Key || a1[0].Key == b2[0].Key {
		t.Fatal("the keys do not make the case")
	}
	sendAll(a1, false)
	sendAll(b2, false)
	want("B after A", "B")
	sendAll(a1, true)
	want("a late duplicate of A", "B")
	upload(t, c, a3[2])
	upload(t, c, a3[2])
	want("A again, one part of it", "B")
	sendAll(a3[:2], false)
	want("A again", "A")
	sendAll(b2, true)
	sendAll(a1, true)
	want("late duplicates of both", "A")
	sendAll(revision(t, "r", "D", at(2)), false)
	want("a revision that was on its way for long", "A")
	sendAll(revision(t, "r", "B", at(4)), false)
	want("B again", "B")
	sendAll(revision(t, "r", "E", time.Now().Add(time.Hour)), false)
	want("a clock that is wrong: the order of arrival counts", "E")
	sendAll(revision(t, "other", "F", at(0)), false)
	want("another report", "F")
	st := stats(t, c)
	if st.Reports != 7 || st.Incomplete != 0 || st.Findings != 30 || st.Rejected != 0 {
		t.Errorf("stats %+v", st)
	}
}

// In whatever order the parts of several submissions of one report arrive, the last submission is visible.
func TestSubmissionsInAnyOrderEndAtTheLast(t *testing.T) {
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		s := newStore(t)
		base := time.Now().Add(-time.Hour)
		var all []*part.Part
		last := ""
		for i := range 2 + rnd.IntN(3) {
			last = string("ABC"[rnd.IntN(3)])
			all = append(all, revision(t, "r", last, base.Add(time.Duration(i)*time.Second))...)
		}
		all = append(all, all[rnd.IntN(len(all))], all[rnd.IntN(len(all))])
		rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, p := range all {
			mustPut(t, s, "a", p)
		}
		if got := says(t, s.Tenant("a")); got != last {
			t.Errorf("seed %d: the findings say %s, want %s", seed, got, last)
		}
		sweep(t, s, 0)
		if c, i := count(t, s, "content"), count(t, s, "staged_item"); c != 30 || i != 0 {
			t.Errorf("seed %d: %d contents of 30 findings, %d staged items", seed, c, i)
		}
	}
}

// Two agents send the same report at the same time, with its parts in any order: every part is stored once, and exactly one answer
// completes the report.
func TestTwoAgentsSendOneReportAtOnce(t *testing.T) {
	store, url := newServer(t, nil)
	parts := split(t, sample("r", 200), 10)
	var mu sync.Mutex
	var sum part.Result
	complete := 0
	var wg sync.WaitGroup
	for agent := range 4 {
		c := newClient(t, url, tokenA)
		order := rand.New(rand.NewPCG(uint64(agent), 2)).Perm(len(parts))
		wg.Go(func() {
			for _, i := range order {
				res := upload(t, c, parts[i])
				mu.Lock()
				if !res.Duplicate {
					sum.Add(res)
					if res.FindingsCreated > 0 {
						complete++
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n := len(findings(t, store.Tenant("a"), ingest.Query{})); n != 200 || sum.FindingsCreated != 200 || complete != 1 {
		t.Errorf("%d findings, the answers say %d created, %d times complete", n, sum.FindingsCreated, complete)
	}
	if st, _ := store.Tenant("a").Stats(t.Context()); st.Parts != 20 || st.Repeated != 60 || st.Reports != 1 || st.Duplicates != 0 {
		t.Errorf("stats %+v", st)
	}
}

// The same key with other bytes is refused before and after the report is complete, and changes nothing.
func TestSameKeyOtherBytesIsRefused(t *testing.T) {
	_, url := newServer(t, nil)
	c := newClient(t, url, tokenA)
	parts, forged := revision(t, "r", "A", time.Time{}), revision(t, "r", "B", time.Time{})
	refused := func(when string) {
		t.Helper()
		for _, later := range []time.Duration{-time.Hour, 0} {
			p := *forged[0]
			p.Key, p.SubmittedAt = parts[0].Key, time.Now().Add(later)
			_, err := c.Upload(t.Context(), &p)
			if e := new(ingest.Error); !errors.As(err, &e) || e.Status != 409 || !e.Permanent() {
				t.Errorf("%s: %v", when, err)
			}
		}
	}
	upload(t, c, parts[0])
	refused("while incomplete")
	upload(t, c, parts[1])
	upload(t, c, parts[2])
	refused("when complete")
	if res := upload(t, c, parts[0]); !res.Duplicate {
		t.Error("the stored part is no duplicate any more")
	}
	if got := says(t, c); got != "A" {
		t.Errorf("the findings say %s", got)
	}
}

// A part that is compressed differently, for example by another version of the agent, is the same part.
func TestSamePartCompressedOtherwiseIsADuplicate(t *testing.T) {
	s := newStore(t)
	for i, level := range []int{1, 3, 9} {
		parts, _, err := part.Split(sample("r", 300), part.SplitConfig{CompressionLevel: level})
		if err != nil || len(parts) != 1 {
			t.Fatal(len(parts), err)
		}
		if a := mustPut(t, s, "a", parts[0]); a.Duplicate != (i > 0) {
			t.Errorf("level %d: %+v", level, a)
		}
	}
	if n := count(t, s, "part"); n != 1 {
		t.Errorf("%d parts", n)
	}
}

// A store of schema version 1 is migrated with its content.
func TestStoreOfVersionOneIsMigrated(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, "a", split(t, sample("r", 5), 10)[0])
	path := s.cfg.Path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec("DROP TABLE agent; DROP TABLE audit_log; DROP TABLE audit_line; ALTER TABLE part DROP COLUMN raw_sha256; DROP INDEX report_by_name; ALTER TABLE report DROP COLUMN submitted; ALTER TABLE content DROP COLUMN known; PRAGMA user_version = 1")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenStore(StoreConfig{Path: path}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if a := mustPut(t, s, "a", split(t, sample("r", 5), 10)[0]); !a.Duplicate {
		t.Errorf("%+v", a)
	}
	if n := len(findings(t, s.Tenant("a"), ingest.Query{})); n != 5 {
		t.Errorf("%d findings", n)
	}
}

// Content that was staged as unchanged is kept if the visible finding changes before the report is complete.
func TestUnchangedContentOutlivesAChangeMeanwhile(t *testing.T) {
	s := newStore(t)
	put := func(parts []*part.Part) {
		t.Helper()
		for _, p := range parts {
			mustPut(t, s, "a", p)
		}
	}
	unknown := time.UnixMilli(0)
	put(revision(t, "base", "A", unknown))
	again := revision(t, "again", "A", unknown)
	put(again[:2])
	put(revision(t, "change", "B", unknown))
	put(again[2:])
	if got, n := says(t, s.Tenant("a")), count(t, s, "content"); got != "A" || n != 30 {
		t.Errorf("the findings say %s, %d contents", got, n)
	}
}
