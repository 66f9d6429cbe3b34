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

// ID names the key in the database. It is the beginning of a hash, which reveals nothing about the key.
func (k Key) ID() string {
	sum := sha256.Sum256(append([]byte("rediver chunk key\x00"), k[:]...))
	return hex.EncodeToString(sum[:8])
}

// String returns the ID of the key, so that logs do not contain the key.
func (k Key) String() string { return "key " + k.ID() }

// GoString does for %#v what String does for %v.
func (k Key) GoString() string { return k.String() }

// KeyError is returned if stored parts are encrypted with a key that was not given. The store is not changed.
type KeyError struct {
	ID    string   // Key.ID of the missing key
	Given []string // Key.ID of the keys that were given
	Parts int64    // number of stored parts that need the key
}

func (e *KeyError) Error() string {
	given := "none is given"
	if len(e.Given) > 0 {
		given = "given: " + strings.Join(e.Given, ", ")
	}
	if e.Parts == 1 {
		return fmt.Sprintf("1 stored part is encrypted with key %s; %s", e.ID, given)
	}
	return fmt.Sprintf("%d stored parts are encrypted with key %s; %s", e.Parts, e.ID, given)
}

const (
	maxKeyFile = 64 << 10 // bytes
	maxKeys    = 100
)

// readKeyFile reads Config.KeyFile.
func readKeyFile(path string) ([]Key, error) {
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
		return nil, fmt.Errorf("key file %s has mode %#o, which lets others read it: want 0600", path, mode)
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
			return nil, fmt.Errorf("line %d is not base64", n) // the decoder's error would quote the key
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
		return nil, errors.New("it has no key")
	}
	return keys, nil
}
