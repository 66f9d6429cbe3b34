package chunk

import "time"

// uploadLimits are the limits that Next observes.
type uploadLimits struct {
	concurrent int           // parts leased at a time
	delay      time.Duration // pause after a part of a split report
}

// UploadLimits returns MaxConcurrentUploads, MaxRetries and UploadDelayMs as they were configured: zero if the setting has
// its default, and -1 if it is switched off. A pipeline uses them if its own settings have their defaults.
func (m *Manager) UploadLimits() (concurrent, retries int, delay time.Duration) {
	if m.cfg.MaxConcurrentUploads != DefaultMaxConcurrentUploads {
		concurrent = m.cfg.MaxConcurrentUploads
	}
	if m.cfg.MaxRetries != DefaultMaxRetries {
		retries = m.cfg.MaxRetries
	}
	switch {
	case m.cfg.UploadDelayMs < 0:
		delay = -1
	case m.cfg.UploadDelayMs != DefaultUploadDelayMs:
		delay = m.cfg.uploadDelay()
	}
	return concurrent, retries, delay
}

// SetUploadLimits sets the number of parts that may be leased at a time, and the pause after a part of a split report. A
// delay of zero means the configured one, and -1 means none. A pipeline calls it when it starts.
func (m *Manager) SetUploadLimits(concurrent int, delay time.Duration) {
	if delay == 0 {
		delay = m.cfg.uploadDelay()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uploads = uploadLimits{concurrent, max(delay, 0)}
}
