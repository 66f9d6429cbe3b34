package event

// Sink takes events.
//
// Record is called from many goroutines at once, must not block, must not keep e.Details (copy what is
// kept) and must not call back into the producer.
type Sink interface {
	Record(e Event)
}

// SinkFunc makes a function a Sink.
type SinkFunc func(Event)

// Record calls f.
func (f SinkFunc) Record(e Event) { f(e) }

// Nop drops every event. It stands in wherever a configuration names no sink.
var Nop Sink = SinkFunc(func(Event) {})

// OrNop returns s, or Nop when s is nil, so that producers need no nil check.
func OrNop(s Sink) Sink {
	if s == nil {
		return Nop
	}
	return s
}

// Tee hands every event to all sinks, in their order. Nil sinks are left out.
func Tee(sinks ...Sink) Sink {
	var out tee
	for _, s := range sinks {
		if s != nil {
			out = append(out, s)
		}
	}
	if len(out) == 1 {
		return out[0]
	}
	return out
}

type tee []Sink

func (t tee) Record(e Event) {
	for _, s := range t {
		s.Record(e)
	}
}
