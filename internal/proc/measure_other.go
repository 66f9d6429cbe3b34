//go:build !linux

package proc

import "time"

// measure, share and cpuOfOthers know nothing of a tree on this system.
func (t *tree) measure() Usage             { return Usage{} }
func (t *tree) share() int64               { return 0 }
func (t *tree) cpuOfOthers() time.Duration { return 0 }
