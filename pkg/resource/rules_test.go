package resource

import "slices"

// check holds the state to the rules. Where slots or budgets became fewer, what is in force may be over a bound; but
// never more than before.
func (m *book) check() {
	before := m.used
	m.used = map[string]amounts{}
	for _, k := range m.live {
		m.used[k.component] = m.used[k.component].plus(k.need, 1)
	}
	total := amounts{int64(m.slots), 8}
	for d := range total {
		m.checkBounds(d, total[d], before)
	}
	m.checkStatus(total)
	m.checkOwners(total)
	m.checkWaiters()
	for _, k := range m.waiting {
		k.owner = m.owns(k)
	}
	m.granted = nil
}

func (m *book) checkBounds(d int, total int64, before map[string]amounts) {
	var now, was, kept, wasKept, guaranteed int64
	for _, name := range components {
		guaranteed += m.budgets[name].Guaranteed.amounts()[d]
	}
	for _, name := range components {
		b := m.budgets[name]
		used, old := m.used[name][d], before[name][d]
		now, was = now+used, was+old
		if borrow := b.MaxBorrow.amounts()[d]; borrow != 0 && used > max(b.Guaranteed.amounts()[d]+max(borrow, 0), old) {
			m.Fatalf("%s uses %d %s, over its budget\n%v", name, used, dimensions[d].resource, m)
		}
		floor := m.floor(name, d, total, guaranteed)
		kept, wasKept = kept+max(floor-used, 0), wasKept+max(floor-old, 0)
	}
	if now > max(total, was) {
		m.Fatalf("%d %s in use of %d\n%v", now, dimensions[d].resource, total, m)
	}
	// Who lends keeps what it does not lend: it is in use by its owner, or free.
	if now+kept > max(total, was+wasKept) {
		m.Fatalf("%d %s in use of %d, where %d are never lent\n%v", now, dimensions[d].resource, total, kept, m)
	}
}

// owned is what a component is guaranteed where there are fewer slots than guarantees.
func (m *book) owned(name string, d int, total, guaranteed int64) int64 {
	g := m.budgets[name].Guaranteed.amounts()[d]
	if guaranteed > total {
		return g * total / guaranteed
	}
	return g
}

func (m *book) floor(name string, d int, total, guaranteed int64) int64 {
	g := m.owned(name, d, total, guaranteed)
	switch lend := m.budgets[name].MaxLend.amounts()[d]; lend {
	case 0:
		return 0
	default:
		return max(g-max(lend, 0), 0)
	}
}

func (m *book) sums() (total, guaranteed amounts) {
	for _, b := range m.budgets {
		guaranteed = guaranteed.plus(b.Guaranteed.amounts(), 1)
	}
	return amounts{int64(m.slots), 8}, guaranteed
}

// owns says whether k is within the guarantee of its component.
func (m *book) owns(k *claim) bool {
	total, guaranteed := m.sums()
	for d, n := range k.need {
		if n > 0 && m.used[k.component][d]+n > m.owned(k.component, d, total[d], guaranteed[d]) {
			return false
		}
	}
	return true
}

// checkStatus reconciles what GetStatus says.
func (m *book) checkStatus(total amounts) {
	s := m.c.GetStatus()
	all := m.sum()
	if s.ActiveJobs != len(m.live) || int64(s.ActiveSlots) != all[slots] || s.PendingJobs != len(m.waiting) || s.ReservedBytes != all[memory] {
		m.Fatalf("%d jobs, %v in use, %d waiting: status %+v", len(m.live), all, len(m.waiting), s)
	}
	var borrowed, lent, guaranteed amounts
	waiting := 0
	for _, b := range s.Budgets {
		if b.Used.amounts() != m.used[b.Component] {
			m.Fatalf("%s uses %v\n%v", b.Component, m.used[b.Component], m)
		}
		waiting += b.Waiting
		g := b.Guaranteed.amounts()
		guaranteed = guaranteed.plus(g, 1)
		borrowed = borrowed.plus(b.Borrowed.amounts(), 1)
		lent = lent.plus(b.Lent.amounts(), 1)
		for d, l := range b.Lent.amounts() {
			if u := m.used[b.Component][d]; l < 0 || l > max(g[d]-u, 0) {
				m.Fatalf("%s has lent %d %s\n%v", b.Component, l, dimensions[d].resource, m)
			}
			if most := m.budgets[b.Component].MaxLend.amounts()[d]; most != 0 && l > max(most, 0) && !m.settling() {
				m.Fatalf("%s has lent %d %s of at most %d\n%v", b.Component, l, dimensions[d].resource, most, m)
			}
			if debt := b.Debt.amounts()[d]; debt < 0 || debt > l || debt > b.Wanted.amounts()[d] {
				m.Fatalf("%s: debt %d\n%v", b.Component, debt, m)
			}
		}
	}
	if waiting != len(m.waiting) {
		m.Fatalf("%d wait: %d in the budgets", len(m.waiting), waiting)
	}
	for d := range total {
		if common := max(total[d]-guaranteed[d], 0); !m.over() && lent[d] != max(borrowed[d]-common, 0) {
			m.Fatalf("%d %s borrowed, %d of them guaranteed to no component, %d lent\n%v", borrowed[d], dimensions[d].resource, common, lent[d], m)
		}
	}
}

// settling says whether slots or budgets were changed and what is in force is not within them yet.
func (m *book) settling() bool {
	total, guaranteed := m.sums()
	for d := range total {
		var sum int64
		for _, name := range components {
			sum += max(m.used[name][d], m.floor(name, d, total[d], guaranteed[d]))
		}
		if sum > total[d] {
			return true
		}
	}
	return false
}

// checkOwners: while an owner waits within its guarantee no other component borrows what it needs; and it does
// not wait when there is room for it.
func (m *book) checkOwners(total amounts) {
	_, guaranteed := m.sums()
	all := m.sum()
	owners := m.firstOwners()
	for _, k := range owners {
		all := all // without what its own component took before it
		for _, g := range m.granted {
			if g.component == k.component {
				all = all.plus(g.need, -1)
			}
		}
		for _, g := range m.granted {
			for d, n := range k.need {
				borrowed := g.component != k.component && g.need[d] > 0 && m.used[g.component][d] > m.owned(g.component, d, total[d], guaranteed[d])
				if k.owner && !m.moved && borrowed && n > 0 && all[d]+n > total[d] {
					m.Fatalf("%s borrowed %s while %s waits for %d of its own\n%v", g.component, dimensions[d].resource, k.component, n, m)
				}
			}
		}
	}
	if len(owners) > 0 && !m.shut && m.c.starved == 0 && m.fits(owners[0], total) {
		m.Fatalf("%s waits for %v, which is its own and free\n%v", owners[0].component, owners[0].need, m)
	}
}

// firstOwners are the first waiting request of each component that is within its guarantee, in the order of the list.
func (m *book) firstOwners() (owners []*claim) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	seen := map[string]bool{}
	for _, w := range m.c.waiters {
		component := w.need.account.Component
		i := slices.IndexFunc(m.waiting, func(k *claim) bool { return k.component == component && k.need == w.need.amounts() })
		if k := m.waiting[i]; !seen[component] && m.owns(k) {
			seen[component] = true
			owners = append(owners, k)
		}
	}
	return owners
}

// fits says whether there is room for k beside what others never lend.
func (m *book) fits(k *claim, total amounts) bool {
	_, guaranteed := m.sums()
	all := m.sum()
	for d, n := range k.need {
		for _, name := range components {
			if name != k.component {
				all[d] += max(m.floor(name, d, total[d], guaranteed[d])-m.used[name][d], 0)
			}
		}
		if n > 0 && all[d]+n > total[d] {
			return false
		}
	}
	return true
}

// checkWaiters: what is counted against each waiting request is what is in force and came after it.
func (m *book) checkWaiters() {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	for i, w := range m.c.waiters {
		var late, own amounts
		for _, k := range m.live {
			if k.slot.number > w.after && !slices.Contains(w.ahead, k.slot.number) {
				late = late.plus(k.need, 1)
				if k.component == w.need.account.Component {
					own = own.plus(k.need, 1)
				}
			}
		}
		if w.late != late || w.own != own || w.passed > MaxBypass {
			m.Fatalf("waiter %d: %+v, want late %v, own %v\n", i, w, late, own)
		}
		if i > 0 && w.before(m.c.waiters[i-1]) {
			m.Fatalf("waiter %d is out of order", i)
		}
	}
}

// end opens the gate and releases everything, until all waiting requests were served; then all books are empty.
func (m *book) end() {
	m.shut, m.slots, m.moved = false, 10, true
	m.c.SetMaxConcurrentJobs(m.slots)
	m.settle()
	m.check()
	for range len(m.live) + len(m.waiting) {
		for len(m.live) > 0 {
			m.release(0)
			m.settle()
			m.check()
		}
	}
	if len(m.waiting) > 0 {
		m.Fatalf("with all released some wait for ever\n%v", m)
	}
	l := m.c.ledger
	if l.used != (amounts{}) || len(l.revocable) != 0 || len(m.c.memory) != 0 || m.c.starved != 0 {
		m.Fatalf("left: %+v", l)
	}
	for _, b := range m.c.GetStatus().Budgets {
		if b.Used != (Vector{}) || b.Borrowed != (Vector{}) || b.Lent != (Vector{}) || b.Debt != (Vector{}) || b.Waiting != 0 || b.Revoked != 0 {
			m.Fatalf("left: %+v", b)
		}
	}
}
