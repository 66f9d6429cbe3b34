//go:build unix && !linux

package proc

func standAlone() {}
func beOther()    {}
func beForeign()  {}
