package resource

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pressureMeter turns the running totals of Linux PSI into shares of the time between two samples.
type pressureMeter struct {
	at   time.Time
	last map[string]uint64 // file to total, in microseconds
}

// read takes each resource from the first of dirs that has it. It is nil until there are two samples.
func (p *pressureMeter) read(now time.Time, dirs []string) *Pressure {
	window := now.Sub(p.at).Microseconds()
	next := make(map[string]uint64, 3)
	known := false
	share := func(resource string) float64 {
		file, total, ok := readPressure(resource, dirs)
		if !ok {
			return 0
		}
		next[file] = total
		before, ok := p.last[file]
		if !ok || total < before || window <= 0 {
			return 0
		}
		known = true
		return min(100*float64(total-before)/float64(window), 100)
	}
	pressure := &Pressure{CPU: share("cpu"), Memory: share("memory"), IO: share("io")}
	p.at, p.last = now, next
	if !known {
		return nil
	}
	return pressure
}

func readPressure(resource string, dirs []string) (file string, total uint64, ok bool) {
	for _, dir := range dirs {
		for _, name := range []string{resource + ".pressure", resource} { // a control group's, the host's
			file = filepath.Join(dir, name)
			if text, err := readSmall(file); err == nil {
				if total, ok = parsePressure(text); ok {
					return file, total, true
				}
			}
		}
	}
	return "", 0, false
}

// parsePressure finds the total of the line "some avg10=… avg60=… avg300=… total=<microseconds>".
func parsePressure(text string) (total uint64, ok bool) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "some ")
		if !ok {
			continue
		}
		for _, field := range strings.Fields(rest) {
			if v, ok := strings.CutPrefix(field, "total="); ok {
				total, err := strconv.ParseUint(v, 10, 64)
				return total, err == nil
			}
		}
	}
	return 0, false
}
