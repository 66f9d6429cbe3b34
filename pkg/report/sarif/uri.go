package sarif

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

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

// uriOf returns a path as a URI reference. An absolute path becomes a file: URI; a URL is unchanged.
func uriOf(path string) string {
	switch {
	case hasScheme(path):
		return path
	case isDrive(path) && isAbs(path):
		return "file:///" + path[:2] + escaped(path[2:])
	case isAbs(path):
		return "file://" + escaped(path)
	}
	first, rest, more := strings.Cut(escaped(path), "/")
	first = strings.ReplaceAll(first, ":", "%3A") // a colon in the first segment would end a scheme
	if more {
		first += "/"
	}
	return first + rest
}

// escaped escapes the characters that the path of a URI may not contain.
func escaped(path string) string {
	const plain = "-._~/!$&'()*+,;=:@"
	var b strings.Builder
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte(plain, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
