package sarif

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// input is a file as UTF-8 text from the first brace of its JSON on. Offsets are in that text.
type input struct {
	r      io.ReadSeeker
	size   int64            // bytes of the file
	skip   int64            // bytes of the byte order mark
	utf16  binary.ByteOrder // nil for UTF-8
	banner int64            // bytes of text before the JSON
}

// maxBanner is the number of bytes at the beginning of a file in which its JSON must begin.
const maxBanner = 64 << 10

// sniff detects the encoding of the file and the beginning of its JSON.
func sniff(r io.ReadSeeker, maxBytes int64) (*input, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("size of the file: %w", err)
	}
	if err := checkLimit("max_bytes", size, maxBytes); err != nil {
		return nil, err
	}
	in := &input{r: r, size: size}
	head := make([]byte, min(4, size))
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind: %w", err)
	}
	if _, err := io.ReadFull(r, head); err != nil {
		if size == 0 {
			return nil, ErrEmpty
		}
		return nil, fmt.Errorf("read the first bytes: %w", err)
	}
	if err := in.encoding(head); err != nil {
		return nil, err
	}
	return in, in.findJSON()
}

// encoding detects UTF-16 by its byte order mark or by its first character, and refuses compressed files.
func (in *input) encoding(head []byte) error {
	has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case has("\xef\xbb\xbf"):
		in.skip = 3
	case has("\xff\xfe"):
		in.skip, in.utf16 = 2, binary.LittleEndian
	case has("\xfe\xff"):
		in.skip, in.utf16 = 2, binary.BigEndian
	case has("{\x00"):
		in.utf16 = binary.LittleEndian
	case has("\x00{"):
		in.utf16 = binary.BigEndian
	}
	for name, magic := range compressed {
		if has(magic) {
			return &EncodingError{name}
		}
	}
	return nil
}

// compressed holds the first bytes of files in common compression formats.
var compressed = map[string]string{
	"gzip": "\x1f\x8b", "zstd": "\x28\xb5\x2f\xfd", "zip": "PK\x03\x04", "bzip2": "BZh", "xz": "\xfd7zX",
}

// findJSON sets the banner, which ends before the first brace that is followed by a key or a closing brace.
func (in *input) findJSON() error {
	r, err := in.text()
	if err != nil {
		return err
	}
	head, err := io.ReadAll(io.LimitReader(r, maxBanner))
	if err != nil {
		return fmt.Errorf("read the first bytes: %w", err)
	}
	for i := 0; i < len(head); i++ {
		if head[i] != '{' {
			continue
		}
		next := indexNonSpace(head, i+1)
		if next == len(head) || head[next] == '"' || head[next] == '}' {
			if len(bytes.TrimSpace(head[:i])) > 0 {
				in.banner = int64(i)
			}
			return nil
		}
	}
	if len(bytes.TrimSpace(head)) == 0 {
		return ErrEmpty
	}
	return fmt.Errorf("%w: none in the first %d bytes", ErrNotJSON, len(head))
}

// json returns the text from the first brace on.
func (in *input) json() (io.Reader, error) {
	r, err := in.text()
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, r, in.banner); err != nil {
		return nil, fmt.Errorf("skip the banner: %w", err)
	}
	return r, nil
}

// text returns the file behind its byte order mark as UTF-8, up to the size that the file had when it was opened.
func (in *input) text() (io.Reader, error) {
	if _, err := in.r.Seek(in.skip, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind: %w", err)
	}
	r := io.LimitReader(in.r, in.size-in.skip)
	if in.utf16 != nil {
		return newUTF16Reader(r, in.utf16), nil
	}
	return r, nil
}
