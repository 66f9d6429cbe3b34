package sarif

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// artifact is a SARIF artifact location.
type artifact struct {
	URI    text     `json:"uri,omitempty"`
	BaseID text     `json:"uriBaseId,omitempty"`
	Index  *float64 `json:"index,omitempty"`
}

const (
	maxURI   = 4 << 10
	maxBases = 1000
	maxHops  = 16 // bases that refer to each other
)

// baseIDs reads originalUriBaseIds.
func (h *header) baseIDs(r *run) error {
	return h.w.object(func(key string) error {
		var a artifact
		if err := h.decode("URI base", &a); err != nil {
			return err
		}
		if len(r.bases) == maxBases || len(key)+len(a.URI)+len(a.BaseID) > maxURI {
			h.warn.addf("URI base %q dropped", truncate(key, 64))
			return nil
		}
		if r.bases == nil {
			r.bases = map[string]artifact{}
		}
		r.bases[key] = artifact{URI: a.URI, BaseID: a.BaseID}
		return h.hold(len(key) + len(a.URI) + len(a.BaseID))
	})
}

// artifact reads the location of the next artifact, for results that refer to it by index only.
func (h *header) artifact(r *run) error {
	if !h.spacious() {
		if !h.full {
			h.warn.addf("artifacts from %d of run %d on dropped because of max_header_bytes", len(r.artifacts), len(h.runs)-1)
		}
		h.full = true
		return h.w.skip()
	}
	var j struct {
		Location artifact `json:"location"`
	}
	if err := h.decode("artifact", &j); err != nil {
		return err
	}
	a := artifact{URI: text(truncate(string(j.Location.URI), maxURI)), BaseID: text(truncate(string(j.Location.BaseID), maxTagLength))}
	r.artifacts = append(r.artifacts, a)
	return h.hold(len(a.URI) + len(a.BaseID) + 48)
}

// resolve returns the path of an artifact with slashes, relative to the root if it is below the root. outside reports
// that it is not, so that it must not be opened unchecked.
func (f *File) resolve(r *run, a artifact) (p string, outside bool) {
	if i, ok := indexIn(a.Index, len(r.artifacts)); ok && a.URI == "" {
		a = r.artifacts[i]
	}
	if a.URI == "" {
		return "", false
	}
	uri := strings.TrimSpace(string(a.URI))
	if hasScheme(uri) {
		return truncate(uri, maxURI), false
	}
	rel, dir := r.relative(filePath(uri), a.BaseID)
	full := rel
	if dir != "" {
		full = dir + "/" + rel
	}
	if inside, ok := f.root.below(full); ok {
		return truncate(inside, maxURI), f.root.escapes(inside)
	}
	if below, ok := f.root.below(dir + "/x"); ok { // rel may begin with ".."
		rel = path.Dir(below) + "/" + rel
	} else if dir != "" && dir != r.home {
		rel = full
	}
	p = clean(rel)
	return truncate(p, maxURI), f.root.excludes(p) || p != rel && f.root.escapes(rel)
}

// relative follows the bases of a path up to an absolute directory dir, and returns the path from there. dir is "" if the
// bases lead to none. A cycle of bases is followed once.
func (r *run) relative(p string, base text) (rel, dir string) {
	rel = p
	var seen []text
	for base != "" && !isAbs(rel) && len(seen) < maxHops && !slices.Contains(seen, base) {
		seen = append(seen, base)
		b := r.bases[string(base)]
		if dir := b.dir(); isAbs(dir) {
			return rel, dir
		} else if dir != "" {
			rel = strings.TrimSuffix(dir, "/") + "/" + rel
		}
		base = b.BaseID
	}
	return rel, ""
}

// dir returns the path of a URI base.
func (a artifact) dir() string { return filePath(strings.TrimSpace(string(a.URI))) }

// findHome sets the base that corresponds to the root in a run that was made elsewhere, such as in a container, so that
// none of its bases is below or above the root. It is the only absolute base, or the only one with a name like SRCROOT. A
// path relative to it is relative to the root; a path relative to another absolute base is not.
func (f *File) findHome(r *run) {
	var all, roots []string
	for _, name := range slices.Sorted(maps.Keys(r.bases)) {
		dir := r.bases[name].dir()
		if !isAbs(dir) || slices.Contains(all, dir) {
			continue
		}
		if _, ok := f.root.below(dir); ok || f.root.isBelow(dir) {
			return
		}
		all = append(all, dir)
		if strings.Contains(strings.ToUpper(name), "ROOT") {
			roots = append(roots, dir)
		}
	}
	switch {
	case len(all) == 1:
		r.home = all[0]
	case len(roots) == 1:
		r.home = roots[0]
	}
}
