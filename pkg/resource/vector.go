package resource

import "math"

// Vector is an amount of each thing that a budget counts. Zero means none of it, except where a field of Budget defines
// zero as no bound and -1 as none.
type Vector struct {
	Slots       int   `json:"slots"`        // weight of jobs
	MemoryBytes int64 `json:"memory_bytes"` // memory that jobs reserve
}

// amounts is a Vector as an array.
type amounts [2]int64

// The indexes of an amounts.
const (
	slots = iota
	memory
)

// dimensions describes the elements of an amounts: the resource that errors name, the field of a configuration, and the
// most that one request or one budget may name, so that sums cannot overflow. A request for more memory counts as one for
// this much, which no host has.
var dimensions = [...]struct {
	resource, field string
	most            int64
}{
	slots:  {Slots, "slots", MaxJobs},
	memory: {ReservedMemory, "memory_bytes", maxMemory},
}

const maxMemory = 1 << 50

// unlimited is more than the requests that can be in force together add up to.
const unlimited = math.MaxInt64

func (v Vector) amounts() amounts { return amounts{int64(v.Slots), v.MemoryBytes} }

func (a amounts) vector() Vector { return Vector{int(a[slots]), a[memory]} }

// plus returns a with b added the given number of times, which may be -1.
func (a amounts) plus(b amounts, times int64) amounts {
	for d := range a {
		a[d] += times * b[d]
	}
	return a
}

// minus returns a without b, never below zero.
func (a amounts) minus(b amounts) amounts {
	for d := range a {
		a[d] = max(a[d]-b[d], 0)
	}
	return a
}

// Array returns the fields of v in order, for code that treats them alike.
func (v Vector) Array() [2]int64 { return v.amounts() }

// VectorOf returns the Vector whose Array is a.
func VectorOf(a [2]int64) Vector { return amounts(a).vector() }
