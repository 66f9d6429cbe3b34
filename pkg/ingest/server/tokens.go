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

// The bounds of a tokens file.
const (
	minTokenLen   = 8 // bytes; shorter ones can be guessed
	maxTokenLen   = 512
	maxTenantLen  = 128
	maxTokensFile = 16 << 20 // bytes
)

// TokensError says that others than the owner can read a tokens file.
type TokensError struct {
	Path string
	Mode fs.FileMode
}

func (e *TokensError) Error() string {
	return fmt.Sprintf("tokens file %s has mode %04o: others can read it, chmod 600 it", e.Path, e.Mode.Perm())
}

// LoadTokens reads a tokens file: one token and its tenant a line, apart by spaces; empty lines and those that
// begin with # are left out. A file that its group or the world can read is refused (not on Windows, whose modes
// say nothing of it), and so is a token that comes twice. Errors name the line and never a token.
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
		return nil, fmt.Errorf("load tokens: %s has %d bytes, the bound is %d", path, info.Size(), maxTokensFile)
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
			errs = append(errs, fmt.Errorf("line %d has %d words: want a token and a tenant", n, len(fields)))
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
			errs = append(errs, fmt.Errorf("line %d has the token of line %d", n, first))
			continue
		}
		tokens[token], lineOf[token] = tenant, n
	}
	if err := sc.Err(); err != nil {
		errs = append(errs, err)
	}
	if len(tokens) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("it has no token"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return tokens, nil
}

func checkToken(token string) error {
	if len(token) < minTokenLen || len(token) > maxTokenLen || strings.ContainsFunc(token, wire.NotTokenRune) {
		return fmt.Errorf("has %d characters: want %d to %d printable ASCII ones", len(token), minTokenLen, maxTokenLen)
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
