package sarif

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// artifact is a SARIF artifact location.
type artifact struct {
	URI    text     `json:"uri"`
	BaseID text     `json:"uriBaseId"`
	Index  *float64 `json:"index"`
}

const (
	maxURI   = 4 << 10
	maxBases = 1000
	maxHops  = 16 // bases that refer to each other
)

// baseIDs reads originalUriBaseIds.
func (h *header) baseIDs(r *run) error {
	_, err := h.w.object(func(key string) error {
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
	return err
}

// artifact reads the location of the next artifact, for results that refer to it by index only.
func (h *header) artifact(r *run) error {
	if !h.spacious() {
		if !h.full {
			h.warn.addf("artifacts from %d of run %d on dropped because of max_header_bytes", len(r.artifacts), len(h.runs)-1)
		}
		h.full = true
		return h.skip()
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
	if inside, ok := f.below(full); ok {
		return truncate(inside, maxURI), f.escapes(inside)
	}
	if below, ok := f.below(dir + "/x"); ok { // a path that climbs from there
		rel = path.Dir(below) + "/" + rel
	} else if dir != "" && dir != r.home {
		rel = full
	}
	p = clean(rel)
	return truncate(p, maxURI), f.isOutside(p) || p != rel && f.escapes(rel)
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
		if _, ok := f.below(dir); ok || f.contains(dir) {
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

// contains reports whether the root is below dir. The directory "/" does not count, since some tools give it as a base of
// every scan.
func (f *File) contains(dir string) bool {
	dir = clean(dir) + "/"
	return dir != "//" && slices.ContainsFunc(f.root, func(root string) bool { return strings.HasPrefix(root, dir) })
}

// isOutside reports whether the clean path p is not below the root: it is absolute and elsewhere, begins with "..", or
// contains a symbolic link that leads out of the root.
func (f *File) isOutside(p string) bool {
	if hasScheme(p) {
		return false
	}
	if isAbs(p) {
		_, inside := f.below(p)
		return len(f.root) > 0 && !inside
	}
	return p == ".." || strings.HasPrefix(p, "../") || f.escapes(p)
}

// below returns the absolute path p relative to the root, and whether it is below the root.
func (f *File) below(p string) (string, bool) {
	if !isAbs(p) {
		return "", false
	}
	p = clean(p)
	for _, root := range f.root {
		head, tail := p[:min(len(p), len(root))], p[min(len(p), len(root)):]
		same := head == root || isDrive(root) && strings.EqualFold(head, root)
		switch {
		case same && tail == "": // the root itself, which may be a file
			return path.Base(p), true
		case same && (tail[0] == '/' || strings.HasSuffix(root, "/")):
			tail = strings.TrimPrefix(tail, "/")
			return tail, !isAbs(tail) // a file named C: cannot be told from a drive
		}
	}
	return "", false
}

// controls are the characters that stay escaped in a path.
var controls = regexp.MustCompile(`[\x00-\x1f]`)

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+://`)

// hasScheme reports whether uri is a URL with a scheme other than file.
func hasScheme(uri string) bool {
	return scheme.MatchString(uri) && !strings.EqualFold(uri[:min(len(uri), 5)], "file:")
}

// filePath returns the decoded path of a file: URI or a relative reference, with slashes.
func filePath(uri string) string {
	p := uri
	if len(p) >= 5 && strings.EqualFold(p[:5], "file:") {
		p = p[5:]
		if rest, ok := strings.CutPrefix(p, "//"); ok {
			host, tail, _ := strings.Cut(rest, "/")
			p = "/" + tail
			if host != "" && !strings.EqualFold(host, "localhost") && !isDrive(host) {
				p = "//" + rest
			} else if isDrive(host) { // file://C:/x, which should be file:///C:/x
				p = rest
			}
		}
	}
	if dec, err := url.PathUnescape(p); err == nil {
		p = dec
	}
	p = controls.ReplaceAllStringFunc(p, func(c string) string { return fmt.Sprintf("%%%02x", c[0]) })
	return strings.ReplaceAll(p, `\`, "/")
}

// clean is path.Clean without the slash that a URI has before a drive.
func clean(p string) string {
	if p = path.Clean(p); len(p) > 2 && p[0] == '/' && isDrive(p[1:]) && isAbs(p[1:]) {
		p = p[1:]
	}
	return p
}

func isAbs(p string) bool {
	return strings.HasPrefix(p, "/") || isDrive(p) && (len(p) == 2 || p[2] == '/')
}

// isDrive reports whether p begins with a Windows drive letter and a colon.
func isDrive(p string) bool {
	return len(p) > 1 && p[1] == ':' && ('a' <= p[0]|0x20 && p[0]|0x20 <= 'z')
}
