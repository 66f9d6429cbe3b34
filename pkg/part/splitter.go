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

// Splitter turns a stream of assets, findings and dependencies into parts. It encodes each item once. Its memory holds
// SplitConfig.Workers parts, the report's assets, and 12 bytes for each finding without a fingerprint of its own,
// whatever the size of the report.
//
// Every part contains the tool, the metadata and the assets that its findings reference, so it can be read alone.
// The same items in the same order give the same bytes. A value that panics while it is encoded, or contains itself, is an
// error of its item.
//
// A Splitter is not safe for concurrent use. The caller must end it by Close or Abort.
type Splitter struct {
	cfg  SplitConfig
	emit func(*Part) error
	head report.Report // without items
	err  error         // first failure to make or emit a part, or errEnded; returned by every later call

	assets  []rawAsset
	byID    map[string]int
	repeats repeats
	scratch []byte         // JSON of the item that is being added
	stamped report.Finding // finding that is being added, with its computed fingerprint

	whole     bool // the report may still become one part; cur holds all of it
	heldBytes int64

	cur     *draft    // part that items are added to
	pending []*draft  // parts in work, in order
	made    int       // number of parts without cur
	room    int64     // bytes for the items of the current part; 0 if not computed yet
	content hash.Hash // hash over the hashes of the parts' JSON
	sum     Summary
}

// Summary counts the parts that a Splitter made, and their content.
type Summary struct {
	Parts, Findings, Assets, Dependencies int
	RawBytes, DataBytes                   int64    // sizes before and after compression
	Oversize                              int      // number of parts with a single item above MaxBytes
	Content                               [32]byte // hash of the report's JSON before compression; keys derive from it
	BySeverity                            map[report.Severity]int
	Uploaded                              bool // set by a durable spool that queued nothing, because it had uploaded the same report before
}

type rawAsset struct {
	json []byte
	part int // latest part that holds it, counted from 1; 0 for none
}

// NewSplitter returns a Splitter for a report with the ID, tool, metadata and properties of head. Items in head are
// ignored. The Splitter calls emit for each part in order, soon after the part is full, on the goroutine of its own
// caller. Key and Total of these parts are not set, because they are known only after the last one: see Seal. An error of
// emit is returned by all further calls.
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

// Head returns the report without its items, as the following parts will contain it. The caller may change it, for example
// if the end of the input shows that the scan was partial.
func (s *Splitter) Head() *report.Report { return &s.head }

// AddAsset adds an asset. It must be added before the findings that reference it.
func (s *Splitter) AddAsset(a *report.Asset) error {
	if a == nil {
		return fmt.Errorf("asset %d is null", s.sum.Assets)
	}
	if err := s.encode("asset", s.sum.Assets, -1, a); err != nil {
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

// AddFinding adds a finding. If it has no fingerprint, the part contains its computed one. f is not changed. After a
// *report.TooLargeError the Splitter continues without the finding.
func (s *Splitter) AddFinding(f *report.Finding) error {
	if f == nil {
		return fmt.Errorf("finding %d is null", s.sum.Findings)
	}
	if f.Fingerprint == "" {
		s.stamped = *f
		s.stamped.Fingerprint = s.repeats.fingerprint(f)
		f = &s.stamped
	}
	asset := -1
	if i, ok := s.byID[f.AssetRef]; ok && f.AssetRef != "" {
		asset = i
	}
	if err := s.encode("finding", s.sum.Findings, asset, f); err != nil {
		return err
	}
	s.sum.Findings++
	s.sum.BySeverity[f.Severity]++
	return s.add(findingItem, asset)
}

// AddDependency adds a component of an SBOM.
func (s *Splitter) AddDependency(d *report.Dependency) error {
	if d == nil {
		return fmt.Errorf("dependency %d is null", s.sum.Dependencies)
	}
	if err := s.encode("dependency", s.sum.Dependencies, -1, d); err != nil {
		return err
	}
	s.sum.Dependencies++
	return s.add(dependencyItem, -1)
}

// Close makes the final part and returns the totals. It ends the Splitter.
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

// Abort ends the Splitter without emitting another part. It waits for parts in work. After Close, or if called again, it
// does nothing.
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

// encode puts the JSON of the n-th item of a kind into scratch. asset is the index of the asset that must be in the same
// part, or -1.
func (s *Splitter) encode(kind string, n, asset int, item any) (err error) {
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
	return s.fits(kind, n, asset)
}
