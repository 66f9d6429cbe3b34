package sarif

import (
	"errors"
	"time"
)

// override changes the configuration of a rule for one invocation.
type override struct {
	Descriptor    descriptor    `json:"descriptor"`
	Configuration configuration `json:"configuration"`
}

// notificationJSON is an error or a remark of the tool itself.
type notificationJSON struct {
	Level      text       `json:"level"`
	Message    message    `json:"message"`
	Descriptor descriptor `json:"descriptor"`
}

const (
	maxNotifications = 100
	maxOverrides     = 10_000
)

func (h *header) invocation(r *run) error {
	return h.w.object(func(key string) error {
		switch key {
		case "executionSuccessful":
			var v *bool
			err := h.decode("executionSuccessful", &v)
			if v != nil && (r.ExecutionSuccessful == nil || !*v) {
				r.ExecutionSuccessful = v
			}
			return err
		case "startTimeUtc":
			return h.time(&r.StartTime, time.Time.Before)
		case "endTimeUtc":
			return h.time(&r.EndTime, time.Time.After)
		case "toolExecutionNotifications", "toolConfigurationNotifications":
			return h.w.array(func() error { return h.notification(r) })
		case "ruleConfigurationOverrides":
			return h.w.array(func() error { return h.override(r) })
		}
		return h.w.skip()
	})
}

// time reads a time into t, unless t is set and better prefers it.
func (h *header) time(t *time.Time, better func(new, old time.Time) bool) error {
	var s text
	err := h.decode("time", &s)
	if v, parseErr := time.Parse(time.RFC3339, string(s)); parseErr == nil && (t.IsZero() || better(v, *t)) {
		*t = v
	}
	return err
}

func (h *header) notification(r *run) error {
	if len(r.Notifications) == maxNotifications {
		return h.w.skip()
	}
	var j notificationJSON
	if err := h.decode("notification", &j); err != nil || j.Level != "error" {
		return err
	}
	n := Notification{ID: truncate(string(j.Descriptor.ID), maxTagLength), Message: truncate(j.Message.any(), 1<<10)}
	r.Notifications = append(r.Notifications, n)
	return h.hold(len(n.ID) + len(n.Message) + 64)
}

func (h *header) override(r *run) error {
	if len(r.overrides) == maxOverrides {
		return h.w.skip()
	}
	var o override
	err := h.decode("rule configuration override", &o)
	if err != nil || len(o.Descriptor.ID) > maxRuleID || len(o.Configuration.Level) > 64 {
		return err
	}
	r.overrides = append(r.overrides, o)
	return h.hold(len(o.Descriptor.ID) + 128)
}

// versionControlJSON is an element of versionControlProvenance.
type versionControlJSON struct {
	RepositoryURI text `json:"repositoryUri"`
	RevisionID    text `json:"revisionId,omitempty"`
	Branch        text `json:"branch,omitempty"`
}

func (h *header) versionControl(r *run) error {
	var j versionControlJSON
	err := h.decode("version control", &j)
	if r.VersionControl != nil || j == (versionControlJSON{}) {
		return err
	}
	v := &VersionControl{
		truncate(string(j.RepositoryURI), maxRuleText), truncate(string(j.RevisionID), maxTagLength), truncate(string(j.Branch), maxTagLength),
	}
	r.VersionControl = v
	return errors.Join(err, h.hold(len(v.RepositoryURL)+len(v.Revision)+len(v.Branch)))
}
