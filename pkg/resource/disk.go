package resource

import (
	"sync"
	"time"

	"github.com/rediverio/sdk/internal/diskspace"
)

// Disk is the free space of the disk of a directory.
type Disk struct {
	Path       string    `json:"path"`
	FreeBytes  int64     `json:"free_bytes"` // FreeBytes is what an ordinary user may still write.
	TotalBytes int64     `json:"total_bytes"`
	Measured   time.Time `json:"measured,omitzero"` // Measured is when the sizes were measured. Zero means never: the sizes are not valid.
	Stale      bool      `json:"stale"`             // Stale reports whether the newest attempt failed or has not ended.
}

// diskPatience is how long a sample waits for its disks. A disk that takes longer is stale until it responds.
const diskPatience = 100 * time.Millisecond

// diskMeter measures disks. A file system whose server is unreachable blocks its caller, so each disk is measured by at most
// one goroutine of its own. The goroutine of a dead mount remains until the mount responds or the process ends.
type diskMeter struct {
	of    func(dir string) (free, total int64, err error)
	disks []*diskProbe
}

type diskProbe struct {
	done chan struct{} // closed at the end of the newest attempt; nil before the first
	mu   sync.Mutex
	last Disk // guarded by mu
}

func newDiskMeter(paths []string) *diskMeter {
	d := &diskMeter{of: diskspace.Of}
	for _, path := range paths {
		d.disks = append(d.disks, &diskProbe{last: Disk{Path: path, Stale: true}})
	}
	return d
}

// read starts a measurement of every disk that has none in progress. It returns the known numbers after at most
// diskPatience, or nil without disks.
func (d *diskMeter) read() []Disk {
	if len(d.disks) == 0 {
		return nil
	}
	for _, p := range d.disks {
		if p.done == nil || ended(p.done) {
			p.done = make(chan struct{})
			go p.measure(d.of, p.done)
		}
	}
	patience := time.NewTimer(diskPatience)
	defer patience.Stop()
	out := make([]Disk, 0, len(d.disks))
	for _, p := range d.disks {
		select {
		case <-p.done:
		case <-patience.C:
			patience.Reset(0) // the remaining disks get no more time
		}
		p.mu.Lock()
		disk := p.last
		p.mu.Unlock()
		disk.Stale = disk.Stale || !ended(p.done)
		out = append(out, disk)
	}
	return out
}

func (p *diskProbe) measure(of func(string) (int64, int64, error), done chan<- struct{}) {
	defer close(done)
	free, total, err := of(p.last.Path) // the path never changes
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.last.Stale = true
		return
	}
	p.last = Disk{Path: p.last.Path, FreeBytes: free, TotalBytes: total, Measured: time.Now()}
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
