package sarif

import (
	"net/url"
	"path"
	"path/filepath"
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
//
// Where a base is no directory below the root – the scan ran in a container, or the base is a made-up "/" – what
// is relative to the base is taken for relative to the root.
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
	rel := filePath(uri)
	full := rel
	var seen []text // bases that refer to each other in a circle end where it closes
	for base := a.BaseID; base != "" && !isAbs(full) && len(seen) < maxHops && !slices.Contains(seen, base); {
		seen = append(seen, base)
		b := r.bases[string(base)]
		if dir := filePath(strings.TrimSpace(string(b.URI))); isAbs(dir) {
			full = dir + "/" + rel
		} else {
			rel = path.Join(dir, rel)
			full = rel
		}
		base = b.BaseID
	}
	if inside, ok := f.below(full); ok {
		return cut(inside, maxURI), false
	}
	rel = path.Clean(rel)
	outside = rel == ".." || strings.HasPrefix(rel, "../") || isAbs(rel) && len(f.root) > 0
	return cut(rel, maxURI), outside
}

// below returns an absolute path relative to the root, if it is below it.
func (f *File) below(p string) (string, bool) {
	if !isAbs(p) {
		return "", false
	}
	p = path.Clean(p)
	for _, root := range f.root {
		head, tail := p[:min(len(p), len(root))], p[min(len(p), len(root)):]
		same := head == root || isDrive(root) && strings.EqualFold(head, root)
		switch {
		case same && tail == "": // the root itself: a file that was scanned by name, or the directory
			return path.Base(p), true
		case same && (tail[0] == '/' || strings.HasSuffix(root, "/")):
			return strings.TrimPrefix(tail, "/"), true
		}
	}
	return "", false
}

// rootSpellings returns the root as it is given and, if that is another, with its symbolic links followed, since
// scanners report either.
func rootSpellings(root string) []string {
	if root == "" {
		return nil
	}
	if abs, err := filepath.Abs(root); err == nil {
		root = abs
	}
	out := []string{path.Clean(filePath(filepath.ToSlash(root)))}
	if real, err := filepath.EvalSymlinks(root); err == nil && filepath.ToSlash(real) != out[0] {
		out = append(out, filepath.ToSlash(real))
	}
	return out
}

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
	if dec, err := url.PathUnescape(p); err == nil && !strings.ContainsFunc(dec, func(r rune) bool { return r < ' ' }) {
		p = dec
	}
	p = strings.ReplaceAll(p, `\`, "/")
	if len(p) > 2 && p[0] == '/' && isDrive(p[1:]) {
		p = p[1:]
	}
	return p
}

func isAbs(p string) bool {
	return strings.HasPrefix(p, "/") || isDrive(p) && len(p) > 2 && p[2] == '/'
}

// isDrive says whether p begins with a Windows drive.
func isDrive(p string) bool {
	return len(p) > 1 && p[1] == ':' && ('a' <= p[0]|0x20 && p[0]|0x20 <= 'z')
}
