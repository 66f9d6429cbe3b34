package chunk

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/rediverio/sdk/internal/homedir"
)

// keyring encrypts data that is stored and decrypts data that is read. The zero keyring stores data unencrypted.
type keyring struct {
	current string // Key.ID of the key that encrypts; "": none
	byID    map[string]cipher.AEAD
	ids     []string
}

// newKeyring makes a keyring of the configured keys.
func newKeyring(c Config) (*keyring, error) {
	source := c.Keys
	if c.KeyFile != "" {
		path, err := homedir.Expand(c.KeyFile)
		if err != nil {
			return nil, err
		}
		source = func() ([]Key, error) { return readKeyFile(path) }
	}
	r := &keyring{byID: map[string]cipher.AEAD{}}
	if source == nil {
		return r, nil
	}
	keys, err := source()
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("Config.Keys returned no key")
	}
	for _, k := range keys {
		block, err := aes.NewCipher(k[:])
		if err != nil {
			return nil, err
		}
		if r.byID[k.ID()], err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
		r.ids = append(r.ids, k.ID())
	}
	r.current = r.ids[0]
	return r, nil
}

// Has reports whether the key with this ID was given.
func (r *keyring) Has(keyID string) bool { return r.byID[keyID] != nil }

// place identifies the part that data belongs to. It is authenticated with the data, so that the data of two parts cannot
// be exchanged.
func place(tenant, reportID string, index int) []byte {
	b := binary.AppendUvarint(nil, uint64(len(tenant)))
	b = append(b, tenant...)
	b = binary.AppendUvarint(b, uint64(len(reportID)))
	b = append(b, reportID...)
	return binary.AppendUvarint(b, uint64(index))
}

// seal returns data as it is stored, and the ID of its key.
func (r *keyring) seal(data []byte, tenant, reportID string, index int) (stored []byte, keyID string) {
	if r.current == "" {
		return data, ""
	}
	aead := r.byID[r.current]
	out := make([]byte, aead.NonceSize(), aead.NonceSize()+len(data)+aead.Overhead())
	_, _ = rand.Read(out) // never fails
	return aead.Seal(out, out, data, place(tenant, reportID, index)), r.current
}

// Open returns the data of a part from its stored form.
func (r *keyring) Open(stored []byte, keyID, tenant, reportID string, index int) ([]byte, error) {
	if keyID == "" {
		return stored, nil
	}
	aead := r.byID[keyID]
	if aead == nil {
		return nil, &KeyError{ID: keyID, Given: r.ids, Parts: 1}
	}
	n := aead.NonceSize()
	if len(stored) < n {
		return nil, fmt.Errorf("%d bytes are too few for encrypted data", len(stored))
	}
	return aead.Open(nil, stored[:n], stored[n:], place(tenant, reportID, index))
}

// checkKeys returns a *KeyError unless the keys of all stored data are given.
func (m *Manager) checkKeys(ctx context.Context) error {
	return m.each(ctx, func(rows *sql.Rows) error {
		var id string
		var n int64
		if err := rows.Scan(&id, &n); err != nil {
			return err
		}
		if !m.keys.Has(id) {
			return &KeyError{ID: id, Given: m.keys.ids, Parts: n}
		}
		return nil
	}, "SELECT keyid, count(*) FROM parts p WHERE keyid != '' AND EXISTS (SELECT 1 FROM blobs b WHERE b.pid = p.pid) GROUP BY keyid")
}
