package sample

import (
	"reflect"
	"testing"
)

func TestPayloadIsAsLargeAsItSays(t *testing.T) {
	for _, size := range []int{1 << 10, 16 << 10, 256 << 10} {
		p, err := NewPayload(size)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := storedBytes(p.Report)
		if err != nil {
			t.Fatal(err)
		}
		if d := float64(stored) / float64(size); len(p.Bytes) != size || d < 0.97 || d > 1.03 {
			t.Errorf("payload of %d bytes: %d bytes, %d as a stored report", size, len(p.Bytes), stored)
		}
	}
}

func TestReportsAreTheSameEachTime(t *testing.T) {
	if !reflect.DeepEqual(Report("r", 100), Report("r", 100)) {
		t.Error("two reports differ")
	}
}
