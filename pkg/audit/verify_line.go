package audit

import (
	"bytes"
	"encoding/hex"
)

// numbered checks an ordinary line.
func (v *verifier) numbered(l *rawLine, end *sealed) {
	v.rep.Events++
	if v.rep.FirstSeq == 0 {
		v.rep.FirstSeq = end.seq
	}
	if !v.begun {
		v.rep.add(v.here(KindForeign, l, end.seq, end.seq, "the file has no valid header, so its begin is not proven"))
		v.step(end)
		return
	}
	if l.number == 1 {
		v.rep.add(v.here(KindMissing, l, 0, 0, "the first line of the file, its header, is gone"))
	}
	right := v.link(&v.at.chain, end.body)
	linked := right == end.chain
	if !linked && v.also != v.at.chain {
		linked = v.link(&v.also, end.body) == end.chain
	}
	switch {
	case linked && end.seq > v.at.seq:
		if end.seq > v.at.seq+1 {
			v.gaps = append(v.gaps, span{first: v.at.seq + 1, last: end.seq - 1, at: v.here(KindMissing, l, v.at.seq+1, end.seq-1, "numbers were given to no line, and no line says why")})
		}
		v.signed(l, end)
		v.step(end)
		v.explain(l.bytes)
	case end.seq <= v.at.seq:
		v.rep.add(v.here(KindMisplaced, l, end.seq, end.seq, "line %d stands behind line %d", end.seq, v.at.seq))
	case end.seq > v.at.seq+1 && end.seq-v.at.seq-1 != uint64(v.junk):
		v.rep.add(v.here(KindMissing, l, v.at.seq+1, end.seq-1, "lines %d to %d are not in front of line %d", v.at.seq+1, end.seq-1, end.seq))
		v.step(end)
	case v.junk > 0: // the lines in between are reported; this one cannot be checked without them
		v.step(end)
	default:
		v.rep.add(v.here(KindAltered, l, end.seq, end.seq, "the line does not match the chain"))
		v.step(end)
		v.also = right
	}
}

// step goes on from a line.
func (v *verifier) step(end *sealed) {
	v.at = mark{end.seq, end.chain}
	v.begun, v.junk, v.also = true, 0, end.chain
	v.remember()
	for i := range v.knownBy {
		k := &v.knownBy[i]
		if k.Seq == end.seq {
			k.seen = true
			if k.Chain != string(end.chain[:]) {
				v.rep.add(Finding{Kind: KindAltered, File: v.file.name(), First: k.Seq, Last: k.Seq,
					Text: "the line is not the one that " + k.by + " names: the log was written anew"})
			}
		}
	}
}

// recentMarks is how many lines back a header may begin again, after a failed sync.
const recentMarks = 1 << 14

func (v *verifier) remember() {
	v.recent[v.at.seq] = v.at.chain
	if v.at.seq > recentMarks {
		delete(v.recent, v.at.seq-recentMarks)
	}
	if len(v.recent) > 4*recentMarks {
		clear(v.recent)
	}
}

// signed checks the signature where there is a key.
func (v *verifier) signed(l *rawLine, end *sealed) {
	if v.key == nil || end.seq < v.key.seq {
		return
	}
	var mac []byte
	if v.rep.Signed == 0 || end.seq-v.key.seq <= maxGap {
		mac = v.key.mac(end.seq, &v.at.chain, end.said)
	}
	if mac == nil || string(hex.AppendEncode(nil, mac)) != string(end.mac) {
		v.rep.add(v.here(KindUnsigned, l, end.seq, end.seq, "the signature is missing or wrong"))
		return
	}
	v.rep.Signed++
}

// unnumbered checks a header or trailer.
func (v *verifier) unnumbered(l *rawLine, end *sealed, ended bool) {
	if h, ok := parseHeader(v.linker, l.bytes); ok {
		v.opened(l, &h, ended)
		return
	}
	var t fileTrailer
	if isUnnumbered(l.bytes, EventAuditRotated, &t) && v.begun && (v.link(&v.at.chain, end.body) == end.chain || v.link(&v.also, end.body) == end.chain) {
		v.ended = true
		return
	}
	if v.begun && v.junk == 0 && bytes.Contains(l.bytes, []byte(EventAuditRotated)) {
		v.rep.add(v.here(KindAltered, l, 0, 0, "the end of the file does not match its lines"))
		v.ended = true
		return
	}
	v.rep.add(v.here(KindAltered, l, 0, 0, "no valid header or trailer of a file"))
}

// opened checks where a file goes on from.
func (v *verifier) opened(l *rawLine, h *fileHeader, ended bool) {
	from := h.before()
	switch {
	case !v.begun && from.chain == genesis: // the log begins, maybe with events that were dropped
		from.seq = 0
	case !v.begun:
		v.absent = append(v.absent, absence{v.here(KindMissing, l, 1, from.seq, "the oldest file begins with line %d, and no line says where those before it are", h.FirstSeq), h.Prev})
	case from.chain == v.at.chain:
		if h.After == afterRotation && !ended && l.number == 1 {
			v.rep.add(v.here(KindMissing, l, 0, 0, "the last line of the file before, its trailer, is gone"))
		}
		return // the number may be ahead: the next line says that
	case from.seq <= v.at.seq && v.recent[from.seq] == from.chain && (h.After == afterDamage || h.After == afterLoss):
		v.rep.add(v.here(KindRestored, l, h.FirstSeq, v.at.seq, "a sync failed or the file was cut: these lines were written again"))
	case from.seq > v.at.seq:
		v.absent = append(v.absent, absence{v.here(KindMissing, l, v.at.seq+1, from.seq, "lines %d to %d are not in front of this file", v.at.seq+1, from.seq), h.Prev})
	default:
		v.rep.add(v.here(KindMisplaced, l, h.FirstSeq, h.FirstSeq, "the file does not go on from the line before it, %d", v.at.seq))
	}
	v.at, v.also, v.begun, v.junk = from, from.chain, true, 0
	v.remember()
}
