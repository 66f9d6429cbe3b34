//go:build unix && !linux

package proc

func beOther() {}
