package auditlog

import (
	"bytes"
	"encoding/hex"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
)

// numbered checks an ordinary line.
func (v *verifier) numbered(l *logfile.RawLine, end *logfile.LineEnd) {
	v.rep.Events++
	if v.rep.FirstSeq == 0 {
		v.rep.FirstSeq = end.Seq
	}
	if !v.begun {
		v.rep.add(v.here(KindForeign, l, end.Seq, end.Seq, "the file has no valid header, so its begin is not proven"))
		v.step(end)
		return
	}
	if l.Number == 1 {
		v.rep.add(v.here(KindMissing, l, 0, 0, "the first line of the file, its header, is gone"))
	}
	right := v.Link(&v.at.Chain, end.Body)
	linked := right == end.Chain
	if !linked && v.also != v.at.Chain {
		linked = v.Link(&v.also, end.Body) == end.Chain
	}
	switch {
	case linked && end.Seq > v.at.Seq:
		if end.Seq > v.at.Seq+1 {
			v.gaps = append(v.gaps, span{first: v.at.Seq + 1, last: end.Seq - 1, at: v.here(KindMissing, l, v.at.Seq+1, end.Seq-1, "numbers were given to no line, and no line says why")})
		}
		v.signed(l, end)
		v.step(end)
		v.explain(l.Bytes)
	case end.Seq <= v.at.Seq:
		v.rep.add(v.here(KindMisplaced, l, end.Seq, end.Seq, "line %d stands behind line %d", end.Seq, v.at.Seq))
	case end.Seq > v.at.Seq+1 && end.Seq-v.at.Seq-1 != uint64(v.junk):
		v.rep.add(v.here(KindMissing, l, v.at.Seq+1, end.Seq-1, "lines %d to %d are not in front of line %d", v.at.Seq+1, end.Seq-1, end.Seq))
		v.step(end)
	case v.junk > 0: // the lines in between are reported; this one cannot be checked without them
		v.step(end)
	default:
		v.rep.add(v.here(KindAltered, l, end.Seq, end.Seq, "the line does not match the chain"))
		v.step(end)
		v.also = right
	}
}

// step goes on from a line.
func (v *verifier) step(end *logfile.LineEnd) {
	v.at = logfile.Place{Seq: end.Seq, Chain: end.Chain}
	v.begun, v.junk, v.also = true, 0, end.Chain
	v.remember()
	for i := range v.knownBy {
		k := &v.knownBy[i]
		if k.Seq == end.Seq {
			k.seen = true
			if k.Chain != string(end.Chain[:]) {
				v.rep.add(Finding{Kind: KindAltered, File: v.file.Name(), First: k.Seq, Last: k.Seq,
					Text: "the line is not the one that " + k.by + " names: the log was written anew"})
			}
		}
	}
}

// recentMarks is how many lines back a header may begin again, after a failed sync.
const recentMarks = 1 << 14

func (v *verifier) remember() {
	v.recent[v.at.Seq] = v.at.Chain
	if v.at.Seq > recentMarks {
		delete(v.recent, v.at.Seq-recentMarks)
	}
	if len(v.recent) > 4*recentMarks {
		clear(v.recent)
	}
}

// signed checks the signature where there is a key.
func (v *verifier) signed(l *logfile.RawLine, end *logfile.LineEnd) {
	if v.key == nil || end.Seq < v.key.Seq {
		return
	}
	var mac []byte
	if v.rep.Signed == 0 || end.Seq-v.key.Seq <= logfile.MaxGap {
		mac = v.key.MAC(end.Seq, &v.at.Chain, end.Signed)
	}
	if mac == nil || string(hex.AppendEncode(nil, mac)) != string(end.MAC) {
		v.rep.add(v.here(KindUnsigned, l, end.Seq, end.Seq, "the signature is missing or wrong"))
		return
	}
	v.rep.Signed++
}

// unnumbered checks a header or trailer.
func (v *verifier) unnumbered(l *logfile.RawLine, end *logfile.LineEnd, ended bool) {
	if h, ok := logfile.ParseHeader(v.Linker, l.Bytes); ok {
		v.opened(l, &h, ended)
		return
	}
	var t logfile.Trailer
	if logfile.IsUnnumbered(l.Bytes, logfile.EventRotated, &t) && v.begun && (v.Link(&v.at.Chain, end.Body) == end.Chain || v.Link(&v.also, end.Body) == end.Chain) {
		v.ended = true
		return
	}
	if v.begun && v.junk == 0 && bytes.Contains(l.Bytes, []byte(logfile.EventRotated)) {
		v.rep.add(v.here(KindAltered, l, 0, 0, "the end of the file does not match its lines"))
		v.ended = true
		return
	}
	v.rep.add(v.here(KindAltered, l, 0, 0, "no valid header or trailer of a file"))
}

// opened checks where a file goes on from.
func (v *verifier) opened(l *logfile.RawLine, h *logfile.Header, ended bool) {
	from := h.Before()
	switch {
	case !v.begun && from.Chain == logfile.Genesis: // the log begins, maybe with events that were dropped
		from.Seq = 0
	case !v.begun:
		v.absent = append(v.absent, absence{v.here(KindMissing, l, 1, from.Seq, "the oldest file begins with line %d, and no line says where those before it are", h.FirstSeq), h.Prev})
	case from.Chain == v.at.Chain:
		if h.After == logfile.AfterRotation && !ended && l.Number == 1 {
			v.rep.add(v.here(KindMissing, l, 0, 0, "the last line of the file before, its trailer, is gone"))
		}
		return // the number may be ahead: the next line says that
	case from.Seq <= v.at.Seq && v.recent[from.Seq] == from.Chain && (h.After == logfile.AfterDamage || h.After == logfile.AfterLoss):
		v.rep.add(v.here(KindRestored, l, h.FirstSeq, v.at.Seq, "a sync failed or the file was cut: these lines were written again"))
	case from.Seq > v.at.Seq:
		v.absent = append(v.absent, absence{v.here(KindMissing, l, v.at.Seq+1, from.Seq, "lines %d to %d are not in front of this file", v.at.Seq+1, from.Seq), h.Prev})
	default:
		v.rep.add(v.here(KindMisplaced, l, h.FirstSeq, h.FirstSeq, "the file does not go on from the line before it, %d", v.at.Seq))
	}
	v.at, v.also, v.begun, v.junk = from, from.Chain, true, 0
	v.remember()
}
