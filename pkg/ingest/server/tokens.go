package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/rediverio/sdk/pkg/ingest/internal/wire"
)

// The limits of a tokens file.
const (
	minTokenLen   = 8 // bytes; shorter tokens can be guessed
	maxTokenLen   = 512
	maxTenantLen  = 128
	maxTokensFile = 16 << 20 // bytes
)

// TokensError is returned for a tokens file that users other than its owner can read.
type TokensError struct {
	Path string
	Mode fs.FileMode
}

func (e *TokensError) Error() string {
	return fmt.Sprintf("tokens file %s has mode %04o: other users can read it, run chmod 600", e.Path, e.Mode.Perm())
}

// LoadTokens reads a tokens file. Each line has a token and its tenant, separated by spaces; empty lines and lines that begin with
// # are ignored. It returns a *TokensError if the group or other users can read the file, except on Windows, where modes do not
// show that. A repeated token is an error. Errors contain line numbers, never tokens.
func LoadTokens(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load tokens: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("load tokens: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, &TokensError{path, info.Mode()}
	}
	if info.Size() > maxTokensFile {
		return nil, fmt.Errorf("load tokens: %s has %d bytes, the limit is %d", path, info.Size(), maxTokensFile)
	}
	tokens, err := parseTokens(f)
	if err != nil {
		return nil, fmt.Errorf("load tokens from %s: %w", path, err)
	}
	return tokens, nil
}

// parseTokens returns every problem in one error.
func parseTokens(r io.Reader) (map[string]string, error) {
	tokens, lineOf := map[string]string{}, map[string]int{}
	var errs []error
	sc := bufio.NewScanner(io.LimitReader(r, maxTokensFile))
	for n := 1; sc.Scan() && len(errs) < 100; n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 {
			errs = append(errs, fmt.Errorf("line %d has %d words, want a token and a tenant", n, len(fields)))
			continue
		}
		token, tenant := fields[0], fields[1]
		if err := checkToken(token); err != nil {
			errs = append(errs, fmt.Errorf("line %d: token %w", n, err))
		}
		if err := checkTenant(tenant); err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
		}
		if first, dup := lineOf[token]; dup {
			errs = append(errs, fmt.Errorf("line %d repeats the token of line %d", n, first))
			continue
		}
		tokens[token], lineOf[token] = tenant, n
	}
	if err := sc.Err(); err != nil {
		errs = append(errs, err)
	}
	if len(tokens) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no token"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return tokens, nil
}

func checkToken(token string) error {
	if len(token) < minTokenLen || len(token) > maxTokenLen || strings.ContainsFunc(token, wire.NotTokenRune) {
		return fmt.Errorf("has %d characters, want %d to %d printable ASCII characters", len(token), minTokenLen, maxTokenLen)
	}
	return nil
}

func checkTenant(name string) error {
	bad := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_.-", r))
	}
	if name == "" || len(name) > maxTenantLen || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("tenant %q: want 1 to %d characters of A-Z a-z 0-9 . _ -", wire.Clip(name, 64), maxTenantLen)
	}
	return nil
}
