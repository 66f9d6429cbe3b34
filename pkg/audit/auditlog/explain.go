package auditlog

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/rediverio/sdk/pkg/audit/internal/logfile"
	"github.com/rediverio/sdk/pkg/event"
)

// explain keeps what a line says about numbers that are missing. Only a line that is in the chain is asked.
func (v *verifier) explain(line []byte) {
	if !bytes.Contains(line, []byte(`"type":"`+logfile.OwnPrefix)) {
		return
	}
	var e struct {
		Type    event.Type
		Details struct {
			Events    uint64
			FirstSeq  uint64 `json:"first_seq"`
			LastSeq   uint64 `json:"last_seq"`
			LastChain string `json:"last_chain"`
		}
	}
	if json.Unmarshal(line, &e) != nil {
		return
	}
	switch d := e.Details; e.Type {
	case logfile.EventDropped:
		v.drops = append(v.drops, span{first: d.FirstSeq, last: d.LastSeq, events: d.Events,
			at: Finding{Kind: KindDropped, File: v.file.Name(), First: d.FirstSeq, Last: d.LastSeq, Events: d.Events}})
		v.rep.Dropped += d.Events
	case logfile.EventPruned:
		if d.LastChain != "" {
			if v.prunes == nil {
				v.prunes = map[string]bool{}
			}
			v.prunes[d.LastChain] = true
		}
	}
}

// finish weighs what is missing against what the log says about it.
func (v *verifier) finish() {
	r := v.rep
	if v.at.Seq > 0 {
		r.Head = v.at.Mark()
	}
	for _, a := range v.absent {
		switch {
		case a.Last < a.First:
			a.Kind, a.Text = KindAltered, "the first line goes on from a line before it"
		case v.prunes[a.prev]:
			a.Kind, a.Text = KindPruned, fmt.Sprintf("lines up to %d were deleted by age or number", a.Last)
		}
		r.add(a.Finding)
	}
	v.weighGaps()
	for _, d := range v.drops {
		d.at.Text = fmt.Sprintf("%d events were dropped, the log says", d.events)
		r.add(d.at)
	}
	for _, k := range v.knownBy {
		switch {
		case k.seen || k.Seq < r.FirstSeq: // pruned, or lines missing that are reported
		case k.Seq > v.at.Seq:
			r.add(Finding{Kind: KindMissing, First: v.at.Seq + 1, Last: k.Seq, Text: fmt.Sprintf("the log ends with line %d; %s knows line %d", v.at.Seq, k.by, k.Seq)})
		default:
			r.add(Finding{Kind: KindMissing, First: k.Seq, Last: k.Seq, Text: "the log has no such line; " + k.by + " knows it"})
		}
	}
}

// weighGaps reports the gaps that no audit_dropped line explains. A line explains exactly as many numbers as it says.
func (v *verifier) weighGaps() {
	for _, d := range v.drops {
		var n uint64
		for _, g := range v.gaps {
			if g.first >= d.first && g.last <= d.last {
				n += g.last - g.first + 1
			}
		}
		if n == 0 || n > d.events {
			continue
		}
		for i, g := range v.gaps {
			if g.first >= d.first && g.last <= d.last {
				v.gaps[i].events = 1 // explained
			}
		}
	}
	for _, g := range v.gaps {
		if g.events == 0 {
			v.rep.add(g.at)
		}
	}
}
