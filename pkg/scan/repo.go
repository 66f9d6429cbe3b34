package scan

import (
	"bufio"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/rediverio/sdk/pkg/report"
)

// maxGitFile is how much is read of a file below .git.
const maxGitFile = 4 << 20

// readBranch returns what .git says of the state of the repository at dir, nil when it says nothing. git itself is
// not run: the configuration of a hostile repository can make it run anything.
func readBranch(dir string) *report.Branch {
	gitDir := findGitDir(dir)
	if gitDir == "" {
		return nil
	}
	git, err := os.OpenRoot(gitDir) // no symbolic link leads out of it
	if err != nil {
		return nil
	}
	defer git.Close() // opened for reading
	shared := git     // a worktree keeps only HEAD to itself
	if common := strings.TrimSpace(readGit(git, "commondir")); common != "" {
		if !filepath.IsAbs(common) {
			common = filepath.Join(gitDir, common)
		}
		if root, err := os.OpenRoot(common); err == nil {
			defer root.Close() // opened for reading
			shared = root
		}
	}
	b := &report.Branch{RepositoryURL: remoteURL(readGit(shared, "config"))}
	head := strings.TrimSpace(readGit(git, "HEAD"))
	if name, ok := strings.CutPrefix(head, "ref: refs/heads/"); ok && sane(name) && filepath.IsLocal(name) {
		b.Name = name
		b.CommitSHA = readRef(shared, "refs/heads/"+name)
		main, ok := strings.CutPrefix(strings.TrimSpace(readGit(shared, "refs/remotes/origin/HEAD")), "ref: refs/remotes/origin/")
		b.IsDefaultBranch = ok && main == b.Name
	} else if isHash(head) {
		b.CommitSHA = head
	}
	if b.Name == "" && b.CommitSHA == "" && b.RepositoryURL == "" {
		return nil
	}
	return b
}

// findGitDir returns the git directory of the working tree at dir: .git, or where the file .git points to.
func findGitDir(dir string) string {
	path := filepath.Join(dir, ".git")
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return ""
	case info.IsDir():
		return path
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return ""
	}
	defer root.Close() // opened for reading
	to, ok := strings.CutPrefix(strings.TrimSpace(readGit(root, ".git")), "gitdir: ")
	if !ok {
		return ""
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(dir, to)
	}
	return to
}

// readGit returns the content of a regular file, empty when there is none. Others are not opened: a pipe would block.
func readGit(root *os.Root, name string) string {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxGitFile {
		return ""
	}
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close() // opened for reading
	b, err := io.ReadAll(io.LimitReader(f, maxGitFile))
	if err != nil {
		return ""
	}
	return string(b)
}

// sane says whether a name or URL may go into a report: a hostile repository can make them anything.
func sane(s string) bool {
	return len(s) <= 1024 && !strings.ContainsFunc(s, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) })
}

// readRef returns the commit a reference stands for, empty when unknown.
func readRef(git *os.Root, ref string) string {
	if hash := strings.TrimSpace(readGit(git, ref)); isHash(hash) {
		return hash
	}
	lines := bufio.NewScanner(strings.NewReader(readGit(git, "packed-refs")))
	for lines.Scan() {
		if hash, name, ok := strings.Cut(lines.Text(), " "); ok && name == ref && isHash(hash) {
			return hash
		}
	}
	return ""
}

func isHash(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// remoteURL returns the URL of the remote "origin", or else of the first remote, without credentials.
func remoteURL(config string) string {
	var first, remote string
	lines := bufio.NewScanner(strings.NewReader(config))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "[") {
			remote = ""
			if name, ok := strings.CutPrefix(line, `[remote "`); ok {
				remote, _, _ = strings.Cut(name, `"`)
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || remote == "" || !strings.EqualFold(strings.TrimSpace(key), "url") {
			continue
		}
		value = stripCredentials(strings.Trim(strings.TrimSpace(value), `"`))
		if remote == "origin" && value != "" {
			return value
		}
		if first == "" {
			first = value
		}
	}
	return first
}

// stripCredentials removes what may be secret from a URL: user and password of http, the password of others, query
// and fragment. The short form git@host:path has no place for one.
func stripCredentials(raw string) string {
	if !sane(raw) {
		return ""
	}
	if !strings.Contains(raw, "://") {
		if user, _, ok := strings.Cut(raw, "@"); ok && strings.Contains(user, ":") {
			return ""
		}
		return raw
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "" // it cannot be said where the secret in it ends
	}
	if u.User != nil {
		if name := u.User.Username(); u.Scheme == "ssh" && name != "" {
			u.User = url.User(name)
		} else {
			u.User = nil
		}
	}
	u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery = "", "", "", false
	return u.String()
}
