package scan

import "testing"

func TestCostIsWhatTheDefinitionDeclares(t *testing.T) {
	heavy := Custom("heavy", "heavy", "{target}", "{output}")
	heavy.Slots, heavy.MemoryBytes = 3, 2<<30
	table, err := NewTable(heavy, Custom("light", "light", "{target}", "{output}"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRunner(Config{Table: table})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]int64{"heavy": {3, 2 << 30}, "light": {1, 0}, "none": {1, 0}} {
		if slots, memory := r.Cost(name); int64(slots) != want[0] || memory != want[1] {
			t.Errorf("%s: %d slots and %d bytes, want %v", name, slots, memory, want)
		}
	}
}
