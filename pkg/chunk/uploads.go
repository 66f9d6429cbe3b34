package chunk

import "time"

// UploadLimits returns those of MaxConcurrentUploads, MaxRetries and UploadDelayMs that were configured with other values
// than their defaults, and zero for the others. A pipeline uses them where its own settings have their defaults.
func (m *Manager) UploadLimits() (concurrent, retries int, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cfg
	if m.configured != nil {
		c = *m.configured
	}
	if c.MaxConcurrentUploads != DefaultMaxConcurrentUploads {
		concurrent = c.MaxConcurrentUploads
	}
	if c.MaxRetries != DefaultMaxRetries {
		retries = c.MaxRetries
	}
	switch {
	case c.UploadDelayMs < 0:
		delay = -1
	case c.UploadDelayMs != DefaultUploadDelayMs:
		delay = c.uploadDelay()
	}
	return concurrent, retries, delay
}

// SetUploadLimits sets the number of parts that may be leased at a time, and the pause after a chunk of a split report,
// rounded to milliseconds. A delay of zero leaves it as it is, and -1 means none. A pipeline calls it when it starts.
func (m *Manager) SetUploadLimits(concurrent int, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.configured == nil {
		c := m.cfg
		m.configured = &c
	}
	m.cfg.MaxConcurrentUploads = concurrent
	switch {
	case delay < 0:
		m.cfg.UploadDelayMs = -1
	case delay > 0:
		m.cfg.UploadDelayMs = int(delay.Milliseconds())
	}
}
