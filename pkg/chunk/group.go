package chunk

// A group of changes, which are made in one transaction, ends at these bounds. Where the store has a limit, its share of
// the WAL is a bound, too, which one report alone may pass.
const (
	groupChanges = 512
	groupBytes   = 8 << 20
)

func (c *committer) run() {
	defer close(c.done)
	most := int(min(groupBytes, c.wal.limit/2))
	var held *change // the first of the next group
	for {
		first := held
		if held = nil; first == nil {
			var ok bool
			if first, ok = <-c.ops; !ok {
				return
			}
		}
		var group []*change
		var bytes int
		group, bytes, held = c.gather(first, most)
		c.commit(group, bytes)
	}
}

// gather takes what waits. held is a change that would have passed the bound.
func (c *committer) gather(first *change, most int) (group []*change, bytes int, held *change) {
	group, bytes = []*change{first}, first.weight
	for len(group) < groupChanges {
		select {
		case next, ok := <-c.ops:
			switch {
			case !ok:
				return group, bytes, nil
			case bytes+next.weight > most:
				return group, bytes, next
			}
			group = append(group, next)
			bytes += next.weight
		default:
			return group, bytes, nil
		}
	}
	return group, bytes, nil
}
