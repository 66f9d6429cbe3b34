package sarif

import (
	"bytes"
	"fmt"
	"io"
)

// input is the file as UTF-8 from the first brace of its JSON on. Offsets count bytes of that text, plus banner.
type input struct {
	r      io.ReadSeeker
	size   int64 // bytes of the file
	skip   int64 // bytes of byte order mark
	utf16  bool
	big    bool  // UTF-16 big-endian
	banner int64 // bytes of text before the JSON
}

// maxBanner is how far into a file its JSON is looked for.
const maxBanner = 64 << 10

// sniff finds out how the file is encoded and where its JSON begins.
func sniff(r io.ReadSeeker, maxBytes int64) (*input, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("size of the file: %w", err)
	}
	if size > maxBytes {
		return nil, &LimitError{"MaxBytes", size, maxBytes}
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

// encoding takes the byte order mark, or its lack, and the signatures of compressed files.
func (in *input) encoding(head []byte) error {
	has := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case has("\xef\xbb\xbf"):
		in.skip = 3
	case has("\xff\xfe"):
		in.skip, in.utf16 = 2, true
	case has("\xfe\xff"):
		in.skip, in.utf16, in.big = 2, true, true
	case has("{\x00"):
		in.utf16 = true
	case has("\x00{"):
		in.utf16, in.big = true, true
	case has("\x1f\x8b"):
		return &EncodingError{"gzip"}
	case has("\x28\xb5\x2f\xfd"):
		return &EncodingError{"zstd"}
	case has("PK\x03\x04"):
		return &EncodingError{"zip"}
	case has("BZh"):
		return &EncodingError{"bzip2"}
	case has("\xfd7zX"):
		return &EncodingError{"xz"}
	}
	return nil
}

// findJSON sets the banner: what stands before the first brace that a key or another brace follows.
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
		next := indexNot(head, i+1)
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
	return fmt.Errorf("%w: none in its first %d bytes", ErrNotJSON, len(head))
}

// json returns the input from the first brace on.
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

// text returns the file from its first byte behind the byte order mark on, as UTF-8. It is no longer than the
// file was when it was opened.
func (in *input) text() (io.Reader, error) {
	if _, err := in.r.Seek(in.skip, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind: %w", err)
	}
	r := io.LimitReader(in.r, in.size-in.skip)
	if in.utf16 {
		return &utf16Reader{r: r, big: in.big}, nil
	}
	return r, nil
}
