package part

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/report"
)

// Splitter turns a stream of assets, findings and dependencies into parts. Each item is encoded once. Peak memory is
// SplitConfig.Workers parts, the report's assets, and 12 bytes for each finding without a fingerprint of its own,
// whatever the report's size.
//
// Every part carries the tool, the metadata and the assets its findings reference, so it can be read alone.
// The same items in the same order give the same bytes. A Splitter is used by one goroutine at a time, and Close or
// Abort ends it. A value that panics while it is encoded, or contains itself, is an error of its item.
type Splitter struct {
	cfg  SplitConfig
	emit func(*Part) error
	head report.Report // its lists are empty
	err  error         // the first failure of making or emitting a part, or errEnded: nothing works after it

	assets  []rawAsset
	byID    map[string]int
	seen    seen
	scratch []byte         // the JSON of the item in hand
	stamped report.Finding // the finding in hand with its computed fingerprint

	whole     bool // the report may still stay whole: cur holds all of it
	heldBytes int64

	cur     *draft    // the part that takes items
	pending []*draft  // being encoded and compressed, in order
	made    int       // parts begun, but for cur
	room    int64     // bytes for the items of the current part; 0: not known yet
	content hash.Hash // over the hash of each part's JSON
	sum     Summary
}

// Summary counts what a Splitter made.
type Summary struct {
	Parts, Findings, Assets, Dependencies int
	RawBytes, DataBytes                   int64    // before and after compression
	Oversize                              int      // parts that hold one finding over MaxBytes
	Content                               [32]byte // hash of the report's JSON, however compressed; part keys derive from it
	BySeverity                            map[report.Severity]int
	Uploaded                              bool // set by a durable queue: this content was uploaded before under this ID, nothing is queued
}

type rawAsset struct {
	json []byte
	part int // the latest part that holds it, counted from 1; 0: none
}

// NewSplitter returns a Splitter for the report that head begins: all but its lists is taken from head, which
// must have an ID. emit gets every full part, in order, soon after it is full, on the goroutine that calls the
// Splitter; the parts have no Key and no Total yet, since those are known only when the last one is made: see Seal.
// When emit fails, so does whatever is called next, with its error.
func NewSplitter(head *report.Report, cfg SplitConfig, emit func(*Part) error) (*Splitter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if head == nil {
		return nil, errors.New("report is nil")
	}
	if err := report.CheckID("report_id", head.Metadata.ID); err != nil {
		return nil, err
	}
	s := &Splitter{
		cfg: cfg.withDefaults(), emit: emit, head: *head, whole: true,
		byID: map[string]int{}, scratch: make([]byte, 0, 1<<10), cur: drafts.Get().(*draft),
		content: sha256.New(), sum: Summary{BySeverity: map[report.Severity]int{}},
	}
	s.head.Assets, s.head.Findings, s.head.Dependencies = nil, nil, nil
	if s.head.Version == "" {
		s.head.Version = report.SchemaVersion
	}
	return s, nil
}

// Head returns what the parts still to come say of the report: a caller may change it, e.g. when the end of
// the input shows that the scan was partial.
func (s *Splitter) Head() *report.Report { return &s.head }

// Parts returns how many parts were emitted so far.
func (s *Splitter) Parts() int { return s.sum.Parts }

// AddAsset adds an asset. Add it before the findings that reference it.
func (s *Splitter) AddAsset(a *report.Asset) error {
	if a == nil {
		return fmt.Errorf("asset %d is null", s.sum.Assets)
	}
	if err := s.encode("asset", s.sum.Assets, a); err != nil {
		return err
	}
	if err := s.fits("asset", s.sum.Assets, -1); err != nil {
		return err
	}
	if a.ID != "" {
		if _, dup := s.byID[a.ID]; !dup {
			s.byID[a.ID] = len(s.assets)
		}
	}
	s.assets = append(s.assets, rawAsset{json: bytes.Clone(s.scratch)})
	s.sum.Assets++
	return s.unholdIfLarge(len(s.scratch))
}

// AddFinding adds a finding. One without a fingerprint gets its computed one. The finding itself is not changed.
func (s *Splitter) AddFinding(f *report.Finding) error {
	if f == nil {
		return fmt.Errorf("finding %d is null", s.sum.Findings)
	}
	if f.Fingerprint == "" {
		s.stamped = *f
		s.stamped.Fingerprint = s.seen.fingerprint(f)
		f = &s.stamped
	}
	if err := s.encode("finding", s.sum.Findings, f); err != nil {
		return err
	}
	asset := -1
	if i, ok := s.byID[f.AssetRef]; ok && f.AssetRef != "" {
		asset = i
	}
	if err := s.fits("finding", s.sum.Findings, asset); err != nil {
		return err
	}
	s.sum.Findings++
	s.sum.BySeverity[f.Severity]++
	return s.add(findingItem, asset)
}

// AddDependency adds a component of the SBOM.
func (s *Splitter) AddDependency(d *report.Dependency) error {
	if d == nil {
		return fmt.Errorf("dependency %d is null", s.sum.Dependencies)
	}
	if err := s.encode("dependency", s.sum.Dependencies, d); err != nil {
		return err
	}
	if err := s.fits("dependency", s.sum.Dependencies, -1); err != nil {
		return err
	}
	s.sum.Dependencies++
	return s.add(dependencyItem, -1)
}

// Close makes the final part and returns the totals. The Splitter is not used afterwards.
func (s *Splitter) Close() (Summary, error) {
	err := s.err
	if err == nil {
		err = s.finish()
	}
	s.Abort()
	if err != nil {
		return s.sum, err
	}
	s.sum.Content = [32]byte(s.content.Sum(nil))
	return s.sum, nil
}

// Abort gives the report up: no part is emitted any more. It waits for those that are being made. After Close, or a
// second time, it does nothing.
func (s *Splitter) Abort() {
	for _, d := range s.pending {
		d.work.Wait()
		d.release()
	}
	if s.pending = nil; s.cur != nil {
		s.cur.release()
		s.cur = nil
	}
	s.err = cmp.Or(s.err, errEnded)
}

var errEnded = errors.New("splitter has ended")

// encode leaves the item's JSON in scratch.
func (s *Splitter) encode(kind string, n int, item any) (err error) {
	if s.err != nil {
		return s.err
	}
	b, err := jsonx.AppendStruct(s.scratch[:0], item)
	if err != nil {
		return fmt.Errorf("%s %d: %w", kind, n, err)
	}
	s.scratch = b
	if int64(len(b)) > s.cfg.MaxItemBytes {
		return tooLarge(fmt.Sprintf("%s %d", kind, n), int64(len(b)), s.cfg.MaxItemBytes, itemBound)
	}
	return nil
}
