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

// artifact is where a file is, as SARIF says it.
type artifact struct {
	URI    text     `json:"uri"`
	BaseID text     `json:"uriBaseId"`
	Index  *float64 `json:"index"`
}

const (
	maxURI   = 4 << 10
	maxBases = 1000
	maxHops  = 16 // from base to base
)

// baseIDs takes originalUriBaseIds.
func (h *header) baseIDs(r *run) error {
	_, err := h.w.object(func(key string) error {
		var a artifact
		if err := h.decode("URI base", &a); err != nil {
			return err
		}
		if len(r.bases) == maxBases || len(key)+len(a.URI)+len(a.BaseID) > maxURI {
			h.warn.addf("URI base %q dropped", cut(key, 64))
			return nil
		}
		if r.bases == nil {
			r.bases = map[string]artifact{}
		}
		r.bases[key] = artifact{URI: a.URI, BaseID: a.BaseID}
		return h.keep(len(key) + len(a.URI) + len(a.BaseID))
	})
	return err
}

// artifact takes the place of the next artifact, for results that name it by number alone.
func (h *header) artifact(r *run) error {
	if !h.room() {
		if !h.full {
			h.warn.addf("artifacts from %d of run %d on dropped: MaxHeaderBytes", len(r.artifacts), len(h.runs)-1)
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
	a := artifact{URI: text(cut(string(j.Location.URI), maxURI)), BaseID: text(cut(string(j.Location.BaseID), maxTagLength))}
	r.artifacts = append(r.artifacts, a)
	return h.keep(len(a.URI) + len(a.BaseID) + 48)
}

// resolve returns the path of an artifact: relative to the root where it is below it, with slashes. outside says
// that it is not below the root, and not to be opened without a look.
func (f *File) resolve(r *run, a artifact) (p string, outside bool) {
	if i, ok := place(a.Index, len(r.artifacts)); ok && a.URI == "" {
		a = r.artifacts[i]
	}
	if a.URI == "" {
		return "", false
	}
	uri := strings.TrimSpace(string(a.URI))
	if hasScheme(uri) {
		return cut(uri, maxURI), false
	}
	rel, dir := r.relative(filePath(uri), a.BaseID)
	full := rel
	if dir != "" {
		full = dir + "/" + rel
	}
	if inside, ok := f.below(full); ok {
		return cut(inside, maxURI), f.leaves(inside)
	}
	if below, ok := f.below(dir + "/x"); ok { // a path that climbs from there
		rel = path.Dir(below) + "/" + rel
	} else if dir != "" && dir != r.home {
		rel = full
	}
	p = clean(rel)
	return cut(p, maxURI), f.isOutside(p) || p != rel && f.leaves(rel)
}

// relative follows the bases of a path: it returns the path from the absolute directory at which they end, "" if they
// end at none. Bases that refer to each other in a circle end where it closes.
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

// dir returns the path of a base.
func (a artifact) dir() string { return filePath(strings.TrimSpace(string(a.URI))) }

// findHome sets the base that stands for the root in a run that was made elsewhere, in a container or on another
// machine, so that none of its bases is below or above the root: its only absolute one, or the one that is called a
// root, like SRCROOT. What is relative to it is relative to the root; what is relative to other absolute bases is not.
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

// contains says whether the root is below a directory. It is not below "/", which some tools give as a base of whatever
// they have scanned.
func (f *File) contains(dir string) bool {
	dir = clean(dir) + "/"
	return dir != "//" && slices.ContainsFunc(f.root, func(root string) bool { return strings.HasPrefix(root, dir) })
}

// isOutside says whether a clean path is not below the root: an absolute one, one that climbs, and one that a symbolic
// link leads out of it.
func (f *File) isOutside(p string) bool {
	if hasScheme(p) {
		return false
	}
	if isAbs(p) {
		_, inside := f.below(p)
		return len(f.root) > 0 && !inside
	}
	return p == ".." || strings.HasPrefix(p, "../") || f.leaves(p)
}

// below returns an absolute path relative to the root, if it is below it.
func (f *File) below(p string) (string, bool) {
	if !isAbs(p) {
		return "", false
	}
	p = clean(p)
	for _, root := range f.root {
		head, tail := p[:min(len(p), len(root))], p[min(len(p), len(root)):]
		same := head == root || isDrive(root) && strings.EqualFold(head, root)
		switch {
		case same && tail == "": // the root itself: a file that was scanned by name, or the directory
			return path.Base(p), true
		case same && (tail[0] == '/' || strings.HasSuffix(root, "/")):
			tail = strings.TrimPrefix(tail, "/")
			return tail, !isAbs(tail) // a file called C: is not known from a drive
		}
	}
	return "", false
}

// controls are not for paths: they stay escaped.
var controls = regexp.MustCompile(`[\x00-\x1f]`)

var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+://`)

// hasScheme says whether uri is a URL of something else than a file.
func hasScheme(uri string) bool {
	return scheme.MatchString(uri) && !strings.EqualFold(uri[:min(len(uri), 5)], "file:")
}

// filePath returns the path in a file: URI or relative reference: decoded, with slashes.
func filePath(uri string) string {
	p := uri
	if len(p) >= 5 && strings.EqualFold(p[:5], "file:") {
		p = p[5:]
		if rest, ok := strings.CutPrefix(p, "//"); ok {
			host, tail, _ := strings.Cut(rest, "/")
			p = "/" + tail
			if host != "" && !strings.EqualFold(host, "localhost") && !isDrive(host) {
				p = "//" + rest
			} else if isDrive(host) { // file://C:/x, a common mistake
				p = rest
			}
		}
	}
	if dec, err := url.PathUnescape(p); err == nil {
		p = dec
	}
	p = controls.ReplaceAllStringFunc(p, func(c string) string { return fmt.Sprintf("%%%02x", c[0]) })
	p = strings.ReplaceAll(p, `\`, "/")
	return p
}

// clean is path.Clean, and takes the slash away that a URI has before a drive.
func clean(p string) string {
	if p = path.Clean(p); len(p) > 2 && p[0] == '/' && isDrive(p[1:]) && isAbs(p[1:]) {
		p = p[1:]
	}
	return p
}

func isAbs(p string) bool {
	return strings.HasPrefix(p, "/") || isDrive(p) && (len(p) == 2 || p[2] == '/')
}

// isDrive says whether p begins with a Windows drive.
func isDrive(p string) bool {
	return len(p) > 1 && p[1] == ':' && ('a' <= p[0]|0x20 && p[0]|0x20 <= 'z')
}
