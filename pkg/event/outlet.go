package event

import "sync/atomic"

// SinkSetter is implemented by components that can take their Sink after construction. An agent hands its own Sink to
// each of its parts this way, so that no part's events are lost because a program forgot to configure it.
type SinkSetter interface {
	// SetDefaultSink makes s the component's Sink unless it was constructed with one or has been given one before. It
	// may be called concurrently with everything else.
	SetDefaultSink(s Sink)
}

// Outlet is the Sink through which a component records its events: the one it was constructed with, or the one it is
// given later. The zero Outlet drops events until it has a Sink. All methods may be called concurrently.
type Outlet struct {
	sink atomic.Pointer[Sink]
}

var _ SinkSetter = (*Outlet)(nil)

// NewOutlet returns an Outlet that records to s, or one that waits for SetDefaultSink if s is nil.
func NewOutlet(s Sink) *Outlet {
	o := &Outlet{}
	o.SetDefaultSink(s)
	return o
}

// SetDefaultSink implements SinkSetter. A nil s changes nothing.
func (o *Outlet) SetDefaultSink(s Sink) {
	if s != nil {
		o.sink.CompareAndSwap(nil, &s)
	}
}

// Record implements Sink.
func (o *Outlet) Record(e Event) {
	if s := o.sink.Load(); s != nil {
		(*s).Record(e)
	}
}
