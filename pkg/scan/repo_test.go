package scan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rediverio/sdk/pkg/report"
)

const (
	hash1 = "1111111111111111111111111111111111111111"
	hash2 = "2222222222222222222222222222222222222222"
)

// tree writes files below a new directory; a value that begins with "->" is a symbolic link.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "->"); ok {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadBranch(t *testing.T) {
	config := "[core]\n\tbare = false\n[remote \"fork\"]\n\turl = https://example.com/fork.git\n" +
		"[remote \"origin\"]\n\turl = https://me:secret@example.com/a/b.git?token=x\n\tfetch = +refs/heads/*\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  *report.Branch
	}{
		{"no repository", map[string]string{"a": ""}, nil},
		{"branch", map[string]string{
			".git/HEAD": "ref: refs/heads/fix/a\n", ".git/refs/heads/fix/a": hash1 + "\n", ".git/config": config,
			".git/refs/remotes/origin/HEAD": "ref: refs/remotes/origin/main\n",
		}, &report.Branch{Name: "fix/a", CommitSHA: hash1, RepositoryURL: "https://example.com/a/b.git"}},
		{"default branch, packed", map[string]string{
			".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": "# pack-refs\n" + hash2 + " refs/heads/main\n^" + hash1 + "\n",
			".git/refs/remotes/origin/HEAD": "ref: refs/remotes/origin/main\n",
		}, &report.Branch{Name: "main", CommitSHA: hash2, IsDefaultBranch: true}},
		{"detached", map[string]string{".git/HEAD": hash1 + "\n"}, &report.Branch{CommitSHA: hash1}},
		{"worktree", map[string]string{
			".git": "gitdir: main.git/worktrees/w\n", "main.git/worktrees/w/HEAD": "ref: refs/heads/w\n",
			"main.git/worktrees/w/commondir": "../..\n", "main.git/refs/heads/w": hash1, "main.git/config": config,
		}, &report.Branch{Name: "w", CommitSHA: hash1, RepositoryURL: "https://example.com/a/b.git"}},
		{"reference that climbs", map[string]string{
			".git/HEAD": "ref: refs/heads/../../../secret\n", "secret": hash1, ".git/config": "[remote \"x\"]\nurl=git@example.com:a/b\n",
		}, &report.Branch{RepositoryURL: "git@example.com:a/b"}},
		{"links that lead out", map[string]string{
			".git/HEAD": "->../../../../../../etc/hostname", ".git/config": "->/etc/passwd",
		}, nil},
		{"garbage", map[string]string{".git/HEAD": "\x00\xff", ".git/config": "[remote \"\nurl\n=\n"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := readBranch(tree(t, tt.files))
			if got == nil || tt.want == nil {
				if got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
				return
			}
			got.Extra, tt.want.Extra = nil, nil
			if got.Name != tt.want.Name || got.CommitSHA != tt.want.CommitSHA ||
				got.RepositoryURL != tt.want.RepositoryURL || got.IsDefaultBranch != tt.want.IsDefaultBranch {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestStripCredentials(t *testing.T) {
	for raw, want := range map[string]string{
		"https://user:pw@host/a.git":      "https://host/a.git",
		"https://token@host/a.git":        "https://host/a.git",
		"https://host/a.git?token=x#y":    "https://host/a.git",
		"ssh://git:pw@host:22/a.git":      "ssh://git@host:22/a.git",
		"git@host:a/b.git":                "git@host:a/b.git",
		"user:pw@host/a":                  "",
		"/srv/git/a.git":                  "/srv/git/a.git",
		"https://user:p%zz@host/a":        "",
		"https://us er:pw@host/\x7fa.git": "",
	} {
		if got := stripCredentials(raw); got != want {
			t.Errorf("%q: got %q, want %q", raw, got, want)
		}
	}
}

func FuzzRemoteURL(f *testing.F) {
	f.Add("[remote \"origin\"]\nurl = https://a:b@c/d\n")
	f.Add("[remote \"x\nurl=://")
	f.Fuzz(func(t *testing.T, config string) {
		url := remoteURL(config)
		if rest, ok := strings.CutPrefix(url, "https://"); ok {
			host, _, _ := strings.Cut(rest, "/")
			if strings.Contains(host, "@") {
				t.Errorf("credentials in %q", url)
			}
		}
	})
}
