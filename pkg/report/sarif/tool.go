package sarif

import (
	"cmp"

	"github.com/rediverio/sdk/pkg/report"
)

// component is an extension of a tool.
type component struct {
	name  string
	rules []rule
}

func (h *header) toolOf(r *run) error {
	err := h.w.object(func(key string) error {
		switch key {
		case "driver":
			return h.component(&r.Tool, func(c rule) { r.driver = append(r.driver, c) })
		case "extensions":
			return h.w.array(func() error {
				var t report.Tool
				var c component
				err := h.component(&t, func(rule rule) { c.rules = append(c.rules, rule) })
				c.name = t.Name
				r.extensions = append(r.extensions, c)
				return err
			})
		}
		return h.w.skip()
	})
	h.hasTool = h.hasTool || r.Tool.Name != ""
	return err
}

// component reads a tool component into t and passes its rules to add.
func (h *header) component(t *report.Tool, add func(rule)) error {
	var plain, semantic string
	err := h.w.object(func(key string) error {
		switch key {
		case "name":
			return h.text(&t.Name)
		case "version":
			return h.text(&plain)
		case "semanticVersion":
			return h.text(&semantic)
		case "organization":
			return h.text(&t.Vendor)
		case "informationUri":
			return h.text(&t.InfoURL)
		case "rules":
			return h.w.array(func() error {
				r, err := h.rule()
				add(r)
				return err
			})
		}
		return h.w.skip()
	})
	t.Version = cmp.Or(semantic, plain)
	return err
}
