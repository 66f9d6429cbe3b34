package resource

import (
	"math"
)

// Vector is an amount of each thing that a budget counts. Zero is none of it; where a field of Budget says so, zero
// means no bound and -1 means none.
type Vector struct {
	Slots       int   `json:"slots"`        // weight of jobs
	MemoryBytes int64 `json:"memory_bytes"` // memory that jobs reserve
	Goroutines  int   `json:"goroutines"`   // that jobs say they start
	Connections int   `json:"connections"`  // that jobs say they open
}

// amounts is a Vector that loops can walk.
type amounts [4]int64

// The places of an amounts.
const (
	slots = iota
	memory
	goroutines
	connections
)

// dimensions are the names that errors have for the places of an amounts.
var dimensions = [...]string{slots: Slots, memory: ReservedMemory, goroutines: Goroutines, connections: Connections}

// unlimited is more than the requests that can be in force together add up to: see maxMemory and MaxJobs.
const unlimited = math.MaxInt64

func (v Vector) amounts() amounts {
	return amounts{int64(v.Slots), v.MemoryBytes, int64(v.Goroutines), int64(v.Connections)}
}

func (a amounts) vector() Vector {
	return Vector{int(a[slots]), a[memory], int(a[goroutines]), int(a[connections])}
}

// add adds b, times as often; -1 takes it off.
func (a *amounts) add(b amounts, times int64) {
	for d := range a {
		a[d] += times * b[d]
	}
}

// sum is a and b together.
func sum(a, b amounts) amounts {
	a.add(b, 1)
	return a
}

// less is a without b, never below zero.
func less(a, b amounts) amounts {
	for d := range a {
		a[d] = max(a[d]-b[d], 0)
	}
	return a
}

// Array returns the fields of v in their order, for code that treats them alike.
func (v Vector) Array() [4]int64 { return v.amounts() }

// VectorOf is the Vector whose Array is a.
func VectorOf(a [4]int64) Vector { return amounts(a).vector() }
