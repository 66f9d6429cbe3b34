package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// Whatever is asked for, released, cancelled, resized and moved between budgets, in whatever order: the rules of
// borrowing hold after each step, and at the end nothing is left.
func TestBudgetRules(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		rapid.SyncTest(r, func(r *rapid.T) {
			m := newBook(r)
			defer m.c.Stop()
			for range 60 {
				m.step(rapid.SampledFrom(steps).Draw(r, "step"))
				m.settle()
				m.check()
			}
			m.end()
		})
	})
}

var components = []string{DefaultComponent, "a", "b", "c"}

// claim is a request under way in the test, then a grant.
type claim struct {
	component string
	need      amounts
	priority  int
	cancel    context.CancelFunc
	slot      *Slot
	err       error
	owner     bool // within its guarantee at the end of the step before
}

// book is what the test knows of the controller, by its answers alone.
type book struct {
	*rapid.T
	c       *Controller
	shut    bool // the gate
	budgets map[string]Budget
	slots   int

	live    []*claim
	waiting []*claim
	granted []*claim // in this step
	answers chan *claim
	moved   bool // budgets or slots changed in this step
	used    map[string]amounts
}

func newBook(r *rapid.T) *book {
	m := &book{T: r, budgets: map[string]Budget{}, answers: make(chan *claim, 1000)}
	m.slots = rapid.IntRange(1, 10).Draw(r, "slots")
	m.drawBudgets()
	cfg := ControllerConfig{MaxConcurrentJobs: m.slots, MaxReservedBytes: 8, Sampler: &fakeHost{},
		Gate: func() error {
			if m.shut {
				return errors.New("shut")
			}
			return nil
		}}
	for _, name := range components {
		cfg.Budgets = append(cfg.Budgets, m.budgets[name])
	}
	if err := cfg.Validate(); err != nil {
		r.Fatal(err)
	}
	m.c = NewController(&cfg)
	return m
}

// drawBudgets chooses budgets that fit together.
func (m *book) drawBudgets() {
	left := amounts{int64(m.slots), 8}
	for _, name := range components {
		var v amounts
		for d := range left {
			v[d] = rapid.Int64Range(0, left[d]).Draw(m.T, name)
			left[d] -= v[d]
		}
		bound := func(what string) Vector {
			return amounts{rapid.Int64Range(-1, 4).Draw(m.T, what), rapid.Int64Range(-1, 4).Draw(m.T, what)}.vector()
		}
		m.budgets[name] = Budget{Component: name, Guaranteed: v.vector(), MaxBorrow: bound("borrow"), MaxLend: bound("lend"),
			Priority: rapid.IntRange(0, 2).Draw(m.T, "priority"), Revoke: rapid.Bool().Draw(m.T, "revoke")}
	}
}

// steps are what may happen, in the frequency in which it does.
var steps = []string{"ask", "ask", "ask", "ask", "try", "try", "release", "release", "release", "cancel", "resize", "move", "gate", "listen", "listen"}

func (m *book) step(what string) {
	m.moved = false
	any := func(n int) int { return rapid.IntRange(0, n-1).Draw(m.T, what) }
	switch {
	case what == "ask", what == "try":
		m.ask(what == "try")
	case what == "release" && len(m.live) > 0:
		m.release(any(len(m.live)))
	case what == "cancel" && len(m.waiting) > 0:
		m.waiting[any(len(m.waiting))].cancel()
	case what == "resize":
		m.slots, m.moved = 1+any(10), true
		m.c.SetMaxConcurrentJobs(m.slots)
	case what == "move":
		m.move()
	case what == "gate":
		m.shut = !m.shut
		m.c.SetMaxConcurrentJobs(m.slots) // waiting requests are served
	case what == "listen" && len(m.live) > 0:
		m.live[any(len(m.live))].slot.Revoked()
	}
}

func (m *book) ask(try bool) {
	k := &claim{component: rapid.SampledFrom(components).Draw(m.T, "component"), priority: rapid.IntRange(0, 1).Draw(m.T, "urgency")}
	k.need = amounts{rapid.Int64Range(1, 4).Draw(m.T, "slots"), rapid.Int64Range(0, 3).Draw(m.T, "memory")}
	r := Request{Slots: int(k.need[slots]), MemoryBytes: k.need[memory], Component: k.component, Priority: k.priority}
	if k.component == DefaultComponent && rapid.Bool().Draw(m.T, "unnamed") {
		r.Component = ""
	}
	ctx, cancel := context.WithCancel(bg)
	k.cancel = cancel
	if try {
		if k.slot, k.err = m.c.TryAcquire(ctx, r); k.err == nil {
			m.granted = append(m.granted, k)
		}
		m.refusal(k)
		return
	}
	m.waiting = append(m.waiting, k)
	go func() {
		k.slot, k.err = m.c.Acquire(ctx, r)
		m.answers <- k
	}()
}

// refusal holds an error to what it says: whose budget it is, and that with the request it would be over the limit.
func (m *book) refusal(k *claim) {
	var why *ThrottledError
	if !errors.As(k.err, &why) || why.Component == "" {
		return
	}
	d := slots
	if why.Resource == ReservedMemory {
		d = memory
	}
	if why.Component != k.component || why.Value+float64(k.need[d]) <= why.Limit {
		m.Fatalf("%v of %s was refused with %+v", k.need, k.component, why)
	}
}

// over says whether more is in use than the slots that are left.
func (m *book) over() bool { return m.sum()[slots] > int64(m.slots) }

func (m *book) release(i int) {
	k := m.live[i]
	m.live = slices.Delete(m.live, i, i+1)
	k.slot.Release()
	k.slot.Release()
}

// move puts other budgets in place, which may be refused as a whole.
func (m *book) move() {
	old, before := m.budgets, m.c.Budgets()
	m.budgets = map[string]Budget{}
	m.drawBudgets()
	var bs []Budget
	for _, b := range m.budgets {
		bs = append(bs, b)
	}
	if err := m.c.SetBudgets(bs...); err != nil {
		m.Fatalf("%v of %v", err, bs)
	}
	m.moved = true
	bad := bs[0]
	bad.Guaranteed.MemoryBytes = 9
	if err := m.c.SetBudgets(bs[1], bad); err == nil {
		m.Fatalf("SetBudgets with a guarantee of %d bytes of 8 = nil, want an error", bad.Guaranteed.MemoryBytes)
	}
	if got := m.c.Budgets(); len(got) != len(before) {
		m.Fatalf("%d budgets of %d", len(got), len(old))
	}
	for _, b := range m.c.Budgets() {
		if b != m.budgets[b.Component] {
			m.Fatalf("budget %+v, want %+v", b, m.budgets[b.Component])
		}
	}
}

// settle waits until all that this step has granted or failed is known.
func (m *book) settle() {
	synctest.Wait()
	for len(m.answers) > 0 {
		k := <-m.answers
		m.waiting = slices.DeleteFunc(m.waiting, func(o *claim) bool { return o == k })
		var large *TooLargeError
		switch {
		case k.err == nil:
			m.granted = append(m.granted, k)
		case errors.As(k.err, &large):
			if large.Need <= large.Limit {
				m.Fatalf("too large: %v", k.err)
			}
		case !errors.Is(k.err, context.Canceled):
			m.Fatal(k.err)
		}
	}
	m.live = append(m.live, m.granted...)
}

func (m *book) sum() (sum amounts) {
	for _, k := range m.live {
		sum = sum.plus(k.need, 1)
	}
	return sum
}

func (m *book) String() string {
	return fmt.Sprintf("%d slots, budgets %+v\nused %v\nwaiting %d\nstatus %+v", m.slots, m.budgets, m.used, len(m.waiting), m.c.GetStatus().Budgets)
}
