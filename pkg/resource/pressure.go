package resource

import (
	"bytes"
	"path/filepath"
	"strconv"
	"time"
)

// pressureMeter converts the running totals of Linux PSI into shares of the time between two samples.
type pressureMeter struct {
	at              time.Time
	cpu, memory, io pressureFiles
}

// pressureFiles are the files of one resource: the one of our own control group, then the one of the host.
type pressureFiles [2]struct {
	kept  cachedFile
	total uint64 // microseconds
	known bool   // total is valid
}

// newPressureMeter reads the version 2 groups of this process, own group first. They have pressure files without any
// controller.
func newPressureMeter(root string, groups []place) pressureMeter {
	var p pressureMeter
	for resource, files := range map[string]*pressureFiles{"cpu": &p.cpu, "memory": &p.memory, "io": &p.io} {
		if len(groups) > 0 {
			files[0].kept = groups[0].file(resource + ".pressure")
		}
		files[1].kept.name = filepath.Join(root, "proc/pressure", resource)
	}
	return p
}

func (p *pressureMeter) close() {
	for _, files := range []*pressureFiles{&p.cpu, &p.memory, &p.io} {
		files[0].kept.close()
		files[1].kept.close()
	}
}

// read returns nil until there are two samples.
func (p *pressureMeter) read(r *reader, now time.Time) *Pressure {
	window := now.Sub(p.at)
	p.at = now
	cpu, a := p.cpu.share(r, window)
	memory, b := p.memory.share(r, window)
	io, c := p.io.share(r, window)
	if !a && !b && !c {
		return nil
	}
	return &Pressure{CPU: cpu, Memory: memory, IO: io}
}

// share reads the first file that exists.
func (files *pressureFiles) share(r *reader, window time.Duration) (percent float64, known bool) {
	for i := range files {
		f := &files[i]
		total, ok := parsePressure(r.read(&f.kept))
		before, had := f.total, f.known
		f.total, f.known = total, ok
		if !ok {
			continue
		}
		if !had || total < before || window <= 0 {
			return 0, false
		}
		return min(100*float64(total-before)/(1e6*window.Seconds()), 100), true
	}
	return 0, false
}

// parsePressure returns the total of the line "some avg10=… avg60=… avg300=… total=<microseconds>".
func parsePressure(text []byte) (total uint64, ok bool) {
	for line := range bytes.Lines(text) {
		rest, some := bytes.CutPrefix(line, []byte("some "))
		if !some {
			continue
		}
		_, number, _ := bytes.Cut(rest, []byte("total="))
		number, _, _ = bytes.Cut(bytes.TrimSpace(number), []byte(" "))
		total, err := strconv.ParseUint(string(number), 10, 64)
		return total, err == nil
	}
	return 0, false
}
