package part

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rediverio/sdk/internal/jsonx"
	"github.com/rediverio/sdk/pkg/report"
)

// appendHead appends the JSON of the report without its items. A failure ends the Splitter.
func (s *Splitter) appendHead(b []byte, final bool) (_ []byte, err error) {
	defer func() { s.err = cmp.Or(s.err, err) }()
	head := s.head
	head.Extra = withoutEnvelope(head.Extra)
	if !final {
		head.Properties, head.Extra = nil, nil // only in the final part
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

// headSize returns the number of bytes that appendHead appends.
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

// begin starts to make the current part, whose head is encoded, and begins another. The final part is made at once, the
// others in the background.
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
	background := 0 // number of parts that may be in work when begin returns
	if !final {
		background = s.cfg.workers() - 1
	}
	if background == 0 {
		d.make(p, s.cfg)
	} else {
		d.work.Go(func() { d.make(p, s.cfg) })
	}
	return s.emitPending(background)
}

// emitPending waits for the oldest parts and emits them, until only n are left.
func (s *Splitter) emitPending(n int) error {
	for len(s.pending) > n && s.err == nil {
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
