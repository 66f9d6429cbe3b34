package report

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
)

// Splitter turns a stream of assets, findings and dependencies into parts. Each item is encoded once, and
// peak memory is one part plus the report's assets, whatever the report's size.
//
// Every part carries the tool, the metadata and the assets its findings reference, so it can be read alone.
// The same items in the same order give the same bytes. A Splitter is used by one goroutine at a time.
type Splitter struct {
	cfg  SplitConfig
	emit func(*Part) error
	head Report // its lists are empty
	err  error  // the first failure of emit: nothing works after it

	assets []rawAsset
	byID   map[string]int
	seen   map[uint64]uint32 // computed fingerprints, for repeats
	seed   maphash.Seed

	held      []piece // while the report may still stay whole; nil once it is split
	heldBytes int64
	whole     bool

	cur     builder
	room    int64     // bytes for the items of the current part; 0: not known yet
	content hash.Hash // over the SHA256 of each part
	sum     Summary
}

// Summary counts what a Splitter made.
type Summary struct {
	Parts, Findings, Assets, Dependencies int
	RawBytes, DataBytes                   int64    // before and after compression
	Oversize                              int      // parts that hold one finding over MaxBytes
	Content                               [32]byte // identifies the report's content; part keys derive from it
	BySeverity                            map[Severity]int
	Uploaded                              bool // set by a durable queue: this content was uploaded before under this ID, nothing is queued
}

type rawAsset struct {
	json []byte
	sent bool // in some part already
}

type itemKind uint8

const (
	findingItem itemKind = iota
	dependencyItem
)

type piece struct {
	kind  itemKind
	json  []byte
	asset int // the asset it references, -1 for none
}

// NewSplitter returns a Splitter for the report that head begins: all but its lists is taken from head, which
// must have an ID. emit gets every part as soon as it is full; the parts have no Key and no Total yet, since
// those are known only when the last one is made: see Seal.
func NewSplitter(head *Report, cfg SplitConfig, emit func(*Part) error) (*Splitter, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if head == nil {
		return nil, errors.New("report is nil")
	}
	if err := CheckID("report_id", head.Metadata.ID); err != nil {
		return nil, err
	}
	s := &Splitter{
		cfg: cfg.withDefaults(), emit: emit, head: *head, whole: true,
		byID: map[string]int{}, seen: map[uint64]uint32{}, seed: maphash.MakeSeed(),
		content: sha256.New(), sum: Summary{BySeverity: map[Severity]int{}},
	}
	s.head.Assets, s.head.Findings, s.head.Dependencies = nil, nil, nil
	if s.head.Version == "" {
		s.head.Version = SchemaVersion
	}
	s.cur.reset()
	return s, nil
}

// Head returns what the parts still to come say of the report: a caller may change it, e.g. when the end of
// the input shows that the scan was partial.
func (s *Splitter) Head() *Report { return &s.head }

// Parts returns how many parts were made so far.
func (s *Splitter) Parts() int { return s.sum.Parts }

// AddAsset adds an asset. Add it before the findings that reference it.
func (s *Splitter) AddAsset(a *Asset) error {
	if a == nil {
		return fmt.Errorf("asset %d is null", s.sum.Assets)
	}
	b, err := s.encode("asset", s.sum.Assets, a)
	if err != nil {
		return err
	}
	if a.ID != "" {
		if _, dup := s.byID[a.ID]; !dup {
			s.byID[a.ID] = len(s.assets)
		}
	}
	s.assets = append(s.assets, rawAsset{json: b})
	s.sum.Assets++
	s.heldBytes += int64(len(b))
	return s.unholdIfLarge()
}

// AddFinding adds a finding. One without a fingerprint gets its computed one. The finding itself is not changed.
func (s *Splitter) AddFinding(f *Finding) error {
	if f == nil {
		return fmt.Errorf("finding %d is null", s.sum.Findings)
	}
	if f.Fingerprint == "" {
		c := *f
		c.Fingerprint = s.fingerprint(f)
		f = &c
	}
	b, err := s.encode("finding", s.sum.Findings, f)
	if err != nil {
		return err
	}
	asset := -1
	if i, ok := s.byID[f.AssetRef]; ok && f.AssetRef != "" {
		asset = i
	}
	s.sum.Findings++
	s.sum.BySeverity[f.Severity]++
	return s.add(piece{findingItem, b, asset})
}

// AddDependency adds a component of the SBOM.
func (s *Splitter) AddDependency(d *Dependency) error {
	if d == nil {
		return fmt.Errorf("dependency %d is null", s.sum.Dependencies)
	}
	b, err := s.encode("dependency", s.sum.Dependencies, d)
	if err != nil {
		return err
	}
	s.sum.Dependencies++
	return s.add(piece{dependencyItem, b, -1})
}

// Close makes the final part and returns the totals. The Splitter is not used afterwards.
func (s *Splitter) Close() (Summary, error) {
	if s.err != nil {
		return s.sum, s.err
	}
	if s.whole {
		for _, p := range s.held {
			s.cur.add(s.assets, p)
		}
		for i := range s.assets {
			s.cur.addAsset(s.assets, i)
		}
	} else if err := s.placeRest(); err != nil {
		return s.sum, err
	}
	if err := s.flush(true); err != nil {
		return s.sum, err
	}
	s.sum.Content = [32]byte(s.content.Sum(nil))
	return s.sum, nil
}

// placeRest places what no finding took along: assets, and the properties that only the final part has.
func (s *Splitter) placeRest() error {
	for i := range s.assets {
		if s.assets[i].sent || s.cur.has[i] {
			continue
		}
		if err := s.makeRoom(int64(len(s.assets[i].json)), 0, 1); err != nil {
			return err
		}
		s.cur.addAsset(s.assets, i)
	}
	own, err := json.Marshal(Report{Properties: s.head.Properties, Extra: s.head.Extra})
	if err != nil {
		return fmt.Errorf("report properties: %w", err)
	}
	return s.makeRoom(int64(len(own)), 0, 0)
}

// encode calls the item's own method, whose output json.Marshal would only check and copy once more: that is a third
// of the time that splitting takes.
func (s *Splitter) encode(kind string, n int, item json.Marshaler) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	b, err := item.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("%s %d: %w", kind, n, err)
	}
	if int64(len(b)) > s.cfg.MaxItemBytes {
		return nil, &TooLargeError{fmt.Sprintf("%s %d", kind, n), int64(len(b)), s.cfg.MaxItemBytes}
	}
	return b, nil
}

func (s *Splitter) fingerprint(f *Finding) string {
	fp := f.ComputeFingerprint()
	key := maphash.String(s.seed, fp)
	n := s.seen[key]
	s.seen[key] = n + 1
	if n > 0 {
		fp = RepeatFingerprint(fp, int(n))
	}
	return fp
}

func (s *Splitter) add(p piece) error {
	if !s.whole {
		return s.place(p)
	}
	s.held = append(s.held, p)
	s.heldBytes += int64(len(p.json))
	return s.unholdIfLarge()
}

// unholdIfLarge ends the time in which the report may still be one part, once it reaches a Min threshold.
func (s *Splitter) unholdIfLarge() error {
	if !s.whole || s.sum.Findings < s.cfg.MinFindings && s.sum.Dependencies < s.cfg.MinFindings &&
		len(s.assets) < s.cfg.MinAssets && s.heldBytes < s.cfg.MinBytes {
		return nil
	}
	held := s.held
	s.whole, s.held = false, nil
	for _, p := range held {
		if err := s.place(p); err != nil {
			return err
		}
	}
	return nil
}

// place puts a piece into the current part, or into a new one where it would break a bound.
func (s *Splitter) place(p piece) error {
	size, assets := int64(len(p.json)), 0
	if p.asset >= 0 && !s.cur.has[p.asset] {
		size += int64(len(s.assets[p.asset].json))
		assets = 1
	}
	if err := s.makeRoom(size, 1, assets); err != nil {
		return err
	}
	s.cur.add(s.assets, p)
	return nil
}

// makeRoom ends the current part if these items more would break a bound.
func (s *Splitter) makeRoom(size int64, items, assets int) error {
	if s.room == 0 {
		h, err := json.Marshal(s.partHead(false))
		if err != nil {
			return fmt.Errorf("report header: %w", err)
		}
		s.room = max(s.cfg.MaxBytes-int64(len(h))-envelopeRoom, s.cfg.MaxBytes/2)
	}
	if s.cur.over(s.cfg, s.room, size, items, assets) {
		return s.flush(false)
	}
	return nil
}

// partHead is what a part says of the report.
func (s *Splitter) partHead(final bool) *Report {
	head := s.head
	head.Extra = withoutEnvelope(head.Extra)
	if !final {
		head.Properties, head.Extra = nil, nil // said once, by the final part
		if head.Metadata.CoverageType == CoverageFull {
			head.Metadata.CoverageType = CoveragePartial
		}
	}
	return &head
}

// flush encodes, compresses and emits the current part.
func (s *Splitter) flush(final bool) error {
	part, err := s.cur.part(s.partHead(final), s.assets, s.sum.Parts, final, s.cfg)
	if err != nil {
		s.err = err
		return err
	}
	s.content.Write(part.SHA256[:])
	s.sum.Parts++
	s.sum.RawBytes += part.RawSize
	s.sum.DataBytes += int64(len(part.Data))
	if part.Oversize {
		s.sum.Oversize++
	}
	for i := range s.cur.has {
		s.assets[i].sent = true
	}
	s.cur.reset()
	s.room = 0
	if err := s.emit(part); err != nil {
		s.err = err
	}
	return s.err
}
