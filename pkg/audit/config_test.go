package audit

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreThoseOfTheReference(t *testing.T) {
	c := DefaultLoggerConfig()
	if c.LogFile != "~/.rediver/audit.log" || c.MaxSizeMB != 100 || c.MaxAgeDays != 30 || c.BufferSize != 100 ||
		c.FlushInterval != 5*time.Second || c.RemoteEndpoint != "" || c.Verbose {
		t.Errorf("%+v", c)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if err := (LoggerConfig{MaxSizeMB: -1, MaxAgeDays: -1, MaxBackups: -1, MinFreeMB: -1, BufferSize: -1, FlushInterval: -1, SyncTimeout: -1}).Validate(); err != nil {
		t.Errorf("everything off: %v", err)
	}
}

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	cfg := LoggerConfig{AgentID: strings.Repeat("x", 300), TenantID: strings.Repeat("x", 300), LogFile: "logs/", MaxSizeMB: -2, MaxBackups: -2, MinFreeMB: -2,
		MaxAgeDays: 1 << 30, BufferSize: -2, FlushInterval: 1, SyncTimeout: -2, SpoolBytes: 1, RemoteEndpoint: "https://u:hunter2@h/"}
	before := cfg
	_, err := NewLogger(&cfg)
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"agent_id", "tenant_id", "log_file", "max_size_mb", "max_age_days", "max_backups", "min_free_mb", "buffer_size", "flush_interval", "sync_timeout", "spool_bytes", "remote_endpoint"} {
		if !strings.Contains(err.Error(), "audit."+field+":") {
			t.Errorf("NewLogger = %v, want a problem of audit.%s in it", err, field)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("RemoteEndpoint: %v", err)
	}
	if !reflect.DeepEqual(cfg, before) {
		t.Error("the caller's config was changed")
	}
}

func TestALogThatCannotBeOpenedSaysWhere(t *testing.T) {
	path := t.TempDir() + "/a\x00b"
	if _, err := NewLogger(&LoggerConfig{LogFile: path}); err == nil || !strings.Contains(err.Error(), "audit.log_file") {
		t.Errorf("%v", err)
	}
}
