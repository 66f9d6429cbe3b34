package event

import "slices"

// subscription is one call of Subscribe.
type subscription struct {
	handle Handler
	types  []Type // empty: all
}

func (s *subscription) wants(t Type) bool { return len(s.types) == 0 || slices.Contains(s.types, t) }

func (b *Bus) subscribed(t Type) bool {
	return slices.ContainsFunc(*b.subs.Load(), func(s *subscription) bool { return s.wants(t) })
}

// Subscribe calls h for every event of the given types, or of all types if none is given. The returned function ends the
// subscription: after it has returned, h is called only for events whose handling had begun before. It may be called
// more than once.
func (b *Bus) Subscribe(h Handler, types ...Type) (unsubscribe func()) {
	s := &subscription{h, slices.Clone(types)}
	b.subMu.Lock()
	defer b.subMu.Unlock()
	with := append(slices.Clip(*b.subs.Load()), s)
	b.subs.Store(&with)
	return func() {
		b.subMu.Lock()
		defer b.subMu.Unlock()
		without := slices.DeleteFunc(slices.Clone(*b.subs.Load()), func(other *subscription) bool { return other == s })
		b.subs.Store(&without)
	}
}
