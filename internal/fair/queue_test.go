package fair_test

import (
	"slices"
	"testing"

	"github.com/rediverio/sdk/internal/fair"
)

func TestNamesAreServedInTurn(t *testing.T) {
	var q fair.Queue[int]
	for i, name := range []string{"a", "a", "a", "b", "c", "c"} {
		q.Push(name, i)
	}
	if !q.Remove("b", func(n int) bool { return n == 3 }) || q.Remove("b", func(int) bool { return true }) || q.Len() != 5 {
		t.Errorf("Remove: %d elements left, want 5", q.Len())
	}
	var got []int
	for n, ok := q.Pop(); ok; n, ok = q.Pop() {
		got = append(got, n)
	}
	if want := []int{0, 4, 1, 5, 2}; !slices.Equal(got, want) || q.Len() != 0 {
		t.Errorf("Pop order = %v, want %v", got, want)
	}
}
