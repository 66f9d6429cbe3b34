package walimage

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

// Log is the content of a write-ahead log. The checksum of each frame covers all frames before it, so a frame can be
// verified from the frame before it even if that one is damaged:
//
//	header, 32 bytes: magic, version, page size, sequence, salt ×2, checksum ×2
//	frame, 24 bytes:  page number, pages of the database after a commit or 0, salt ×2, checksum ×2; then the page
//
// All numbers are big-endian. The magic states the byte order of the words that the checksums sum up.
type Log struct {
	PageSize int64
	Frames   []Frame // frames of the current generation, which have its salts
	Replay   int     // number of frames that SQLite replays: up to the last commit before the first damaged frame
	Commits  int     // number of committed frames, according to the log or its index; may exceed len(Frames)
	Torn     bool    // there are damaged frames behind the last commit, as a power cut or a kill leaves them
}

// Frame is one page in the log.
type Frame struct {
	page   uint32
	pages  uint32 // pages of the database after the commit that ends here; 0: no commit ends here
	at     int64  // offset of the page in the log
	intact bool   // page and page number are as they were written
}

// Sizes of the headers of the log and of a frame in bytes.
const (
	HeaderSize      = 32
	FrameHeaderSize = 24
)

const (
	magic           = 0x377f0682 // with the lowest bit set, checksums sum up big-endian words
	defaultPageSize = sqlitedb.PageSize
)

// Damaged reports whether there are commits that SQLite would silently not replay.
func (l *Log) Damaged() bool { return l.Replay < l.Commits }

// Bad returns the number of committed frames that are missing or damaged.
func (l *Log) Bad() int {
	n := max(l.Commits-len(l.Frames), 0)
	for _, f := range l.Committed() {
		if !f.intact {
			n++
		}
	}
	return n
}

// Committed returns the committed frames that the log has.
func (l *Log) Committed() []Frame { return l.Frames[:min(l.Commits, len(l.Frames))] }

// Scan reads a log. It uses 24 bytes of memory for each frame.
func Scan(r io.Reader, mark Mark) (*Log, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	l := &Log{PageSize: defaultPageSize}
	head := make([]byte, HeaderSize)
	if _, err := io.ReadFull(in, head); err != nil {
		return l, ignoreEOF(err)
	}
	v := verifier{big: binary.BigEndian.Uint32(head)&1 != 0}
	valid := v.header(head)
	if size := int64(binary.BigEndian.Uint32(head[8:])); valid && size >= 512 && size <= 65536 && size&(size-1) == 0 {
		l.PageSize = size
	}
	v.frame = make([]byte, FrameHeaderSize+l.PageSize)
	end, replayed := 0, valid // end of the current generation
	for at := int64(HeaderSize); ; at += int64(len(v.frame)) {
		n, err := io.ReadFull(in, v.frame)
		if err != nil {
			l.Torn = n >= 16 && v.salts() == v.generation
			if err := ignoreEOF(err); err != nil {
				return nil, err
			}
			break
		}
		own, intact, amends := v.next()
		if i := len(l.Frames); amends && i > 0 {
			l.Frames[i-1].intact = true
		}
		f := Frame{page: binary.BigEndian.Uint32(v.frame), pages: binary.BigEndian.Uint32(v.frame[4:]), at: at + FrameHeaderSize, intact: intact}
		l.Frames = append(l.Frames, f)
		if own || intact {
			end = len(l.Frames)
		}
		if intact && f.pages > 0 {
			l.Commits = end
		}
		if replayed = replayed && own && intact && !amends && f.page > 0; replayed && f.pages > 0 {
			l.Replay = end
		}
	}
	l.Frames = l.Frames[:end]
	if mark.generation == v.generation && mark.Frames > mark.checkpointed {
		l.Commits = max(l.Commits, mark.Frames)
	}
	rest := l.Frames[len(l.Committed()):]
	l.Torn = l.Torn || slices.ContainsFunc(rest, func(f Frame) bool { return !f.intact })
	return l, nil
}

// ignoreEOF returns nil for the end of the file: a log may end anywhere.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
