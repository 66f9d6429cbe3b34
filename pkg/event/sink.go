package event

// Sink receives events.
//
// Record is called concurrently. It must not block, must not keep e.Details, which it copies if needed, and must not call
// the component that records the event.
type Sink interface {
	Record(e Event)
}

// SinkFunc is a function that is a Sink.
type SinkFunc func(Event)

// Record calls f.
func (f SinkFunc) Record(e Event) { f(e) }

// Nop is a Sink that drops every event.
var Nop Sink = SinkFunc(func(Event) {})

// OrNop returns s, or Nop if s is nil.
func OrNop(s Sink) Sink {
	if s == nil {
		return Nop
	}
	return s
}

// AtLeast returns a Sink that passes events of severity min and above to s and drops the others.
func AtLeast(min Severity, s Sink) Sink {
	return SinkFunc(func(e Event) {
		if e.Severity.Rank() >= min.Rank() {
			s.Record(e)
		}
	})
}

// Tee returns a Sink that passes every event to all sinks, in order. Nil sinks are skipped.
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
