package chunk

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// Key is a key of 32 random bytes for AES-256-GCM.
type Key [32]byte

// ID names the key in the database. It is the start of a hash, so it tells nothing of the key and another key never
// goes by the same name.
func (k Key) ID() string {
	sum := sha256.Sum256(append([]byte("rediver chunk key\x00"), k[:]...))
	return hex.EncodeToString(sum[:8])
}

// String hides the key in logs.
func (k Key) String() string { return "key " + k.ID() }

// GoString hides the key from %#v.
func (k Key) GoString() string { return k.String() }

// KeySource gives the keys of Config.Keys, e.g. from a key management service: the current one first, then those by
// which earlier data is read.
type KeySource interface {
	Keys() ([]Key, error)
}

// KeyFunc makes a function a KeySource.
type KeyFunc func() ([]Key, error)

// Keys calls f.
func (f KeyFunc) Keys() ([]Key, error) { return f() }

// KeyError says that stored parts are encrypted with a key that was not given. The store is left as it is.
type KeyError struct {
	ID    string // Key.ID of the key that is needed
	Given []string
	Parts int64 // stored parts that need it
}

func (e *KeyError) Error() string {
	given := "none is given"
	if len(e.Given) > 0 {
		given = "given: " + strings.Join(e.Given, ", ")
	}
	return fmt.Sprintf("%d stored parts are encrypted with key %s; %s", e.Parts, e.ID, given)
}

const (
	maxKeyFile = 64 << 10 // bytes
	maxKeys    = 100
)

// ReadKeyFile reads keys from a file that only its owner may access: one a line, 32 bytes in base64, the current one
// first and older ones, by which earlier data is read, after it. Empty lines and lines that begin with # are left out.
func ReadKeyFile(path string) ([]Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := st.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("key file %s has mode %#o, others may read it: want 0600", path, mode)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(b)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return keys, nil
}

func parseKeys(b []byte) (keys []Key, err error) {
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("larger than %d bytes", maxKeyFile)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is not base64", n) // the error would quote the key
		}
		if len(raw) != len(Key{}) {
			return nil, fmt.Errorf("line %d has %d bytes, a key has %d", n, len(raw), len(Key{}))
		}
		if keys = append(keys, Key(raw)); len(keys) > maxKeys {
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it")
	}
	return keys, nil
}
