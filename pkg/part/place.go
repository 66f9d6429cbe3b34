package part

import "fmt"

type itemKind uint8

const (
	findingItem itemKind = iota
	dependencyItem
)

// held is an item in the current part that moves to another part if the report turns out to be large.
type held struct {
	kind       itemKind
	asset      int // index of the asset that it references, or -1
	start, end int // bounds of its JSON in the draft's list
}

// add adds the item in scratch to a part.
func (s *Splitter) add(kind itemKind, asset int) error {
	if !s.whole {
		return s.place(kind, s.scratch, asset)
	}
	end := s.cur.list(kind).add(s.scratch)
	s.cur.held = append(s.cur.held, held{kind, asset, end - len(s.scratch), end})
	return s.unholdIfLarge(len(s.scratch))
}

// unholdIfLarge splits the report if it has reached a Min threshold. Until then it may still become one part.
func (s *Splitter) unholdIfLarge(added int) error {
	s.heldBytes += int64(added)
	if !s.whole || s.sum.Findings < s.cfg.MinFindings && s.sum.Dependencies < s.cfg.MinFindings &&
		len(s.assets) < s.cfg.MinAssets && s.heldBytes < s.cfg.MinBytes {
		return nil
	}
	return s.unhold()
}

// unhold distributes the held items over parts.
func (s *Splitter) unhold() error {
	all := s.cur
	s.whole, s.cur = false, drafts.Get().(*draft)
	defer all.release()
	for _, h := range all.held {
		if err := s.place(h.kind, all.list(h.kind).json[h.start:h.end], h.asset); err != nil {
			return err
		}
	}
	return s.emitPending(0) // memory use is highest here, so wait until it falls
}

// finish makes the last part. It is the only part of a report below the Min thresholds, unless the report is too large for
// one part together with its head.
func (s *Splitter) finish() (err error) {
	if d := s.cur; s.whole {
		if d.out, err = s.appendHead(d.out[:0], true); err != nil {
			return err
		}
		if int64(len(d.out))+s.heldBytes+int64(len(s.cur.held)+len(s.assets))+envelopeRoom <= maxPart {
			for i := range s.assets {
				s.take(i)
			}
			return s.begin(true)
		}
		if err := s.unhold(); err != nil {
			return err
		}
	}
	if err := s.placeRest(); err != nil {
		return err
	}
	return s.flush(true)
}

// placeRest places the assets that no finding references, and makes room for the properties in the final part.
func (s *Splitter) placeRest() error {
	for i := range s.assets {
		if s.assets[i].part > 0 {
			continue
		}
		if err := s.makeRoom(int64(len(s.assets[i].json)), 0, 1); err != nil {
			return err
		}
		s.take(i)
	}
	head, err := s.headSize(false)
	if err != nil {
		return err
	}
	final, err := s.headSize(true)
	if err != nil {
		return err
	}
	return s.makeRoom(final-head, 0, 0)
}

// place puts an item into the current part, or into a new one if it would break a bound.
func (s *Splitter) place(kind itemKind, json []byte, asset int) error {
	size, assets := int64(len(json)), 0
	if asset >= 0 && !s.has(asset) {
		size += int64(len(s.assets[asset].json))
		assets = 1
	}
	if err := s.makeRoom(size, 1, assets); err != nil {
		return err
	}
	if asset >= 0 {
		s.take(asset)
	}
	s.cur.list(kind).add(json)
	return nil
}

// has reports whether the current part holds asset i.
func (s *Splitter) has(i int) bool { return s.assets[i].part == s.made+1 }

// take puts asset i into the current part, unless it is there.
func (s *Splitter) take(i int) {
	if !s.has(i) {
		s.assets[i].part = s.made + 1
		s.cur.order = append(s.cur.order, i)
		s.cur.assetBytes += int64(len(s.assets[i].json))
	}
}

// makeRoom ends the current part if the additional items would break a bound.
func (s *Splitter) makeRoom(size int64, items, assets int) error {
	if s.room == 0 {
		head, err := s.headSize(false)
		if err != nil {
			return err
		}
		head += envelopeRoom
		s.room = min(max(s.cfg.MaxBytes-head, s.cfg.MaxBytes/2), maxPart-head)
	}
	if s.cur.over(s.cfg, s.room, size, items, assets) {
		return s.flush(false)
	}
	return nil
}

// fits returns a *report.TooLargeError if no part can hold the item in scratch together with its asset and the head.
func (s *Splitter) fits(kind string, n, asset int) error {
	size := int64(len(s.scratch)) + envelopeRoom
	if asset >= 0 {
		size += int64(len(s.assets[asset].json))
	}
	if size+s.cfg.MaxItemBytes <= maxPart {
		return nil // with any head
	}
	head, err := s.headSize(false)
	if err != nil {
		return err
	}
	if size += head; size > maxPart {
		what := fmt.Sprintf("%s %d with tool and metadata", kind, n)
		if asset >= 0 {
			what = fmt.Sprintf("%s %d with its asset, tool and metadata", kind, n)
		}
		return tooLarge(what, size, maxPart, partBound)
	}
	return nil
}
