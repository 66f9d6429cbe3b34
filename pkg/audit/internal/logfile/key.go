package logfile

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// Key is the secret with which lines from Seq on are signed, one after the other: the key of a line is hashed to give
// the next one's and then forgotten. Who takes over the host learns the key of the next line and can sign what comes,
// but not change what was written before.
type Key struct {
	Seq    uint64 `json:"seq"` // the line it signs
	Secret string `json:"key"` // 32 bytes, hex
}

// CreateKey makes a new key file, 0600, for LoggerConfig.KeyFile, and returns the key it begins with. Keep that away from
// the host: VerifyOptions.Key needs it, and who has it can forge the log. Give the key to a log that has no lines yet, for
// Verify wants every line signed. An existing file is an error.
func CreateKey(path string) (Key, error) {
	secret := make([]byte, sha256.Size)
	if _, err := rand.Read(secret); err != nil {
		return Key{}, err
	}
	k := Key{Seq: 1, Secret: hex.EncodeToString(secret)}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|OpenFlags, 0o600)
	if err != nil {
		return Key{}, fmt.Errorf("create the key of the audit log: %w", err)
	}
	err = WriteRecord(f, k)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Key{}, errors.Join(err, os.Remove(path))
	}
	return k, nil
}

// sealKey is the key of one line; it only ever goes forward.
type SealKey struct {
	Seq    uint64
	secret [sha256.Size]byte
}

func NewSealKey(k Key) (*SealKey, error) {
	s := &SealKey{Seq: k.Seq}
	n, err := hex.Decode(s.secret[:], []byte(k.Secret[:min(len(k.Secret), 2*sha256.Size)]))
	if err != nil || n != sha256.Size || len(k.Secret) != 2*sha256.Size || k.Seq == 0 || k.Seq > MaxSeq {
		return nil, errors.New("the key of the audit log: want seq and 32 bytes in hex")
	}
	return s, nil
}

// maxEvolve bounds the lines that one step may jump, which a hostile number must not turn into years; maxGap is for the
// steps of a verifier after its first.
const (
	maxEvolve = 1 << 30
	MaxGap    = 1 << 20
)

// Forward makes s the key of line seq. It cannot go back, and does not go far beyond reason.
func (s *SealKey) Forward(seq uint64) bool {
	if seq < s.Seq || seq-s.Seq > maxEvolve {
		return false
	}
	const next = "audit key of the next line\n"
	var buf [len(next) + sha256.Size]byte
	copy(buf[:], next)
	for ; s.Seq < seq; s.Seq++ {
		copy(buf[len(next):], s.secret[:])
		s.secret = sha256.Sum256(buf[:])
	}
	return true
}

// mac returns the signature of line seq; nil when its key is gone.
func (s *SealKey) MAC(seq uint64, prev *ChainText, line []byte) []byte {
	if !s.Forward(seq) {
		return nil
	}
	h := hmac.New(sha256.New, s.secret[:])
	h.Write(prev[:])
	h.Write(line)
	return h.Sum(nil)
}

func (s *SealKey) Key() Key { return Key{s.Seq, hex.EncodeToString(s.secret[:])} }

// keyFile keeps the key of the next line on disk. A key on disk that is behind is no harm: it goes forward again.
type KeyFile struct{ File *os.File }

func OpenKeyFile(path string) (*KeyFile, *SealKey, error) {
	f, err := os.OpenFile(path, os.O_RDWR|OpenFlags, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open the key of the audit log: %w", err)
	}
	var k Key
	err = ReadRecord(f, &k)
	var s *SealKey
	if err == nil {
		s, err = NewSealKey(k)
	}
	if err == nil {
		fi, serr := f.Stat()
		if err = serr; err == nil {
			err = MakePrivate(f, fi.Mode())
		}
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	return &KeyFile{f}, s, nil
}

// recordBytes is the length of a sidecar: a sector, so that no crash leaves half of one.
const recordBytes = 512

// writeRecord writes v over what f held: one line of JSON, filled up with spaces.
func WriteRecord(f *os.File, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) >= recordBytes {
		return fmt.Errorf("%d bytes are over a record's %d", len(b), recordBytes)
	}
	var rec [recordBytes]byte
	for i := copy(rec[:], b); i < recordBytes; i++ {
		rec[i] = ' '
	}
	rec[recordBytes-1] = '\n'
	_, err = f.WriteAt(rec[:], 0)
	return err
}

// readRecord reads what writeRecord wrote.
func ReadRecord(f *os.File, v any) error {
	rec := make([]byte, recordBytes)
	if _, err := f.ReadAt(rec, 0); err != nil {
		return err
	}
	return json.Unmarshal(rec, v)
}
