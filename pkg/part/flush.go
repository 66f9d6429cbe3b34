package part

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/report"
)

// appendHead appends what a part says of the report. A failure ends the splitter.
func (s *Splitter) appendHead(b []byte, final bool) (_ []byte, err error) {
	defer func() { s.err = cmp.Or(s.err, err) }()
	head := s.head
	head.Extra = withoutEnvelope(head.Extra)
	if !final {
		head.Properties, head.Extra = nil, nil // said once, by the final part
		if head.Metadata.CoverageType == report.CoverageFull {
			head.Metadata.CoverageType = report.CoveragePartial
		}
	}
	if b, err = jsonx.AppendStruct(b, &head); err != nil {
		return nil, fmt.Errorf("report header: %w", err)
	}
	if n := int64(len(b)); n > s.cfg.MaxItemBytes {
		return nil, tooLarge("tool, metadata and properties", n, s.cfg.MaxItemBytes, itemBound)
	}
	return b, nil
}

// headSize is the length of what appendHead appends.
func (s *Splitter) headSize(final bool) (int64, error) {
	b, err := s.appendHead(s.cur.out[:0], final)
	if err == nil {
		s.cur.out = b
	}
	return int64(len(b)), err
}

// flush ends the current part and begins another.
func (s *Splitter) flush(final bool) (err error) {
	if s.cur.out, err = s.appendHead(s.cur.out[:0], final); err != nil {
		return err
	}
	return s.begin(final)
}

// begin has the current part made, whose head is encoded: the last one at once, the others beside the caller, who goes on
// reading.
func (s *Splitter) begin(final bool) error {
	d := s.cur
	if size := int64(len(d.out)) + d.size() + int64(len(d.order)) + envelopeRoom; size > maxPart {
		s.err = tooLarge(fmt.Sprintf("part %d with tool, metadata and properties", s.made), size, maxPart, partBound)
		return s.err
	}
	slices.Sort(d.order)
	for _, i := range d.order {
		d.assets = append(d.assets, s.assets[i].json)
	}
	p := &Part{ReportID: s.head.Metadata.ID, Index: s.made, Final: final}
	if s.head.Tool != nil {
		p.Tool = s.head.Tool.Name
	}
	s.cur, s.room = drafts.Get().(*draft), 0
	s.pending = append(s.pending, d)
	s.made++
	beside := 0 // as many as may be in work when the caller goes on
	if !final {
		beside = s.cfg.workers() - 1
	}
	if beside == 0 {
		d.make(p, s.cfg)
	} else {
		d.work.Go(func() { d.make(p, s.cfg) })
	}
	return s.emitPending(beside)
}

// emitPending emits the oldest parts, as they are done, until only keep are left.
func (s *Splitter) emitPending(keep int) error {
	for len(s.pending) > keep && s.err == nil {
		d := s.pending[0]
		d.work.Wait()
		s.pending = slices.Delete(s.pending, 0, 1)
		s.count(d)
		part := d.part
		d.release()
		s.err = s.emit(part)
	}
	return s.err
}

func (s *Splitter) count(d *draft) {
	s.content.Write(d.raw[:])
	s.sum.Parts++
	s.sum.RawBytes += d.part.RawSize
	s.sum.DataBytes += int64(len(d.part.Data))
	if d.part.Oversize {
		s.sum.Oversize++
	}
}
