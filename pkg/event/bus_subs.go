package event

import (
	"maps"
	"slices"
	"sync"
)

// subscribers is never changed once it is stored: a Bus reads it without a lock and replaces it as a whole.
type subscribers struct {
	all    []*subscription
	byType map[Type][]*subscription
}

// subscription gives a handler an identity, which a func has not.
type subscription struct{ handle Handler }

func (s *subscribers) hear(t Type) bool { return len(s.all) > 0 || len(s.byType[t]) > 0 }

func (s *subscribers) each(t Type, f func(Handler)) {
	for _, sub := range s.byType[t] {
		f(sub.handle)
	}
	for _, sub := range s.all {
		f(sub.handle)
	}
}

// Subscribe calls h for every event of the given types, of all types when none is given, from now on. The returned
// func ends that; after it has returned no call of h begins but those for events whose handling had begun. It may
// be called more than once.
func (b *Bus) Subscribe(h Handler, types ...Type) (unsubscribe func()) {
	sub := &subscription{h}
	types = slices.Compact(slices.Sorted(slices.Values(types))) // twice named is once called
	b.replace(types, func(list []*subscription) []*subscription { return append(slices.Clip(list), sub) })
	return sync.OnceFunc(func() {
		b.replace(types, func(list []*subscription) []*subscription {
			return slices.DeleteFunc(slices.Clone(list), func(s *subscription) bool { return s == sub })
		})
	})
}

// replace stores a copy of the subscribers in which the lists of types, or the one of all, are changed.
func (b *Bus) replace(types []Type, change func([]*subscription) []*subscription) {
	b.subMu.Lock()
	defer b.subMu.Unlock()
	old := b.subs.Load()
	next := &subscribers{all: old.all, byType: maps.Clone(old.byType)}
	if len(types) == 0 {
		next.all = change(old.all)
	}
	for _, t := range types {
		if next.byType == nil {
			next.byType = map[Type][]*subscription{}
		}
		if list := change(old.byType[t]); len(list) > 0 {
			next.byType[t] = list
		} else {
			delete(next.byType, t)
		}
	}
	b.subs.Store(next)
}

// maxCopyDepth is how deep copyDetails goes; what is deeper is left out rather than shared.
const maxCopyDepth = 8

// copyDetails copies the maps and lists a producer may go on changing. Other values are kept as they are.
func copyDetails(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	return copyMap(m, 1)
}

func copyMap(m map[string]any, depth int) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = copyValue(v, depth)
	}
	return out
}

func copyValue(v any, depth int) any {
	switch v := v.(type) {
	case map[string]any:
		if depth == maxCopyDepth {
			return "[too deep]"
		}
		return copyMap(v, depth+1)
	case []any:
		if depth == maxCopyDepth {
			return "[too deep]"
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = copyValue(v[i], depth+1)
		}
		return out
	case []string:
		return slices.Clone(v)
	case []int:
		return slices.Clone(v)
	case []byte:
		return slices.Clone(v)
	case map[string]string:
		return maps.Clone(v)
	case map[string]int:
		return maps.Clone(v)
	}
	return v
}
