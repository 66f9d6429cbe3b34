package resource

// tally counts the requests that a controller could not admit at once, by the resource that was short.
type tally struct {
	refused counts // by AcquireSlot and TryAcquire
	waited  counts // requests of Acquire and AcquireSlotBlocking that had to wait; the first reason counts
	warned  counts // warnings given
}

// counted are the resources of counts, frequent ones first. A linear search is cheaper than a map, and a refusal must cost
// less than a grant.
var counted = [...]string{Slots, CPU, Memory, Gate, Order, MemoryReserve, MemoryPressure, OOMKill, Staleness,
	ReservedMemory}

// counts is a number for each resource.
type counts [len(counted)]int64

func (c *counts) add(resource string) {
	for i := range counted {
		if counted[i] == resource {
			c[i]++
			return
		}
	}
}

// byName returns the numbers that are not zero.
func (c *counts) byName() map[string]int64 {
	var out map[string]int64
	for i, n := range c {
		if n == 0 {
			continue
		}
		if out == nil {
			out = map[string]int64{}
		}
		out[counted[i]] = n
	}
	return out
}
