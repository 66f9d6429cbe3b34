package pool

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Framing says how messages follow each other.
type Framing string

// The framings.
const (
	Lines         Framing = "lines"          // a message is a line
	ContentLength Framing = "content-length" // a header with its length comes before it, as the Language Server Protocol has it
)

const (
	maxHeaderBytes = 4 << 10 // of all headers of a message
	readBuffer     = 32 << 10
)

// errSize says that a message is over Config.MaxMessageBytes.
type errSize struct{ Size, Limit int }

func (e *errSize) Error() string {
	return fmt.Sprintf("a message of %d bytes or more, the limit is %d", e.Size, e.Limit)
}

// frames reads messages. A message that is not ended by its framing, or that is too long, is an error, and nothing more
// can be read after one.
type frames struct {
	r       *bufio.Reader
	framing Framing
	most    int
}

func newFrames(r io.Reader, framing Framing, most int) *frames {
	return &frames{bufio.NewReaderSize(r, readBuffer), framing, most}
}

// next returns the next message, which is the caller's; io.EOF at the end. With Lines it may be empty.
func (f *frames) next() ([]byte, error) {
	if f.framing == Lines {
		line, err := f.line(f.most)
		return bytes.TrimSpace(line), err
	}
	n, err := f.header()
	if err != nil {
		return nil, err
	}
	if n > f.most {
		return nil, &errSize{n, f.most}
	}
	// The buffer grows with what really comes: a header alone takes no memory.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, f.r, int64(n)); err != nil {
		return nil, cut(err)
	}
	return b.Bytes(), nil
}

// line returns the next line of at most that many bytes, without its end.
func (f *frames) line(most int) ([]byte, error) {
	var line []byte
	for {
		part, err := f.r.ReadSlice('\n')
		if len(line)+len(part) > most+1 {
			return nil, &errSize{len(line) + len(part), most}
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil, io.EOF
		default:
			return nil, cut(err)
		}
	}
}

// header reads the headers of a message and returns its length.
func (f *frames) header() (int, error) {
	n, left := -1, maxHeaderBytes
	for first := true; ; first = false {
		line, err := f.line(left)
		if err != nil {
			if !first {
				err = cut(err)
			}
			return 0, err
		}
		left -= len(line)
		text := strings.TrimSuffix(string(line), "\r")
		if text == "" {
			break
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return 0, fmt.Errorf("%.80q is no header", text)
		}
		if strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			length, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
			if err != nil || n >= 0 {
				return 0, fmt.Errorf("%.80q: want one length", text)
			}
			n = int(length)
		}
	}
	if n < 0 {
		return 0, errors.New("a message without Content-Length")
	}
	return n, nil
}

// cut makes the end of the input in the middle of a message an error of its own.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frame returns a message as it is sent.
func (f Framing) frame(message []byte) []byte {
	if f == ContentLength {
		return append(fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", len(message)), message...)
	}
	return append(message, '\n') // JSON as Go writes it has no line end inside
}
