package chunk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/rediverio/sdk/internal/sqlitedb"
)

// walScan is what a write-ahead log holds, damage included. SQLite's own replay stops at the first bad frame and says
// nothing of the commits behind it. But each frame carries the checksum of all before it, so each can be verified
// from the one before:
//
//	header, 32 bytes: magic, version, page size, sequence, salt ×2, checksum ×2
//	frame, 24 bytes:  page number, pages of the database after a commit or 0, salt ×2, checksum ×2; then the page
//
// All numbers are big-endian; the magic says in which order the checksums take the words.
type walScan struct {
	pageSize int64
	frames   []walFrame // of this generation, as the salts say; what is left behind them of earlier ones is not among them
	replay   int        // frames that SQLite takes: up to the last commit before the first bad one
	commits  int        // frames that were committed, as far as the log or its mark shows; may be more than there are
	torn     bool       // something bad is behind the last commit, as a power cut or a kill leaves it
}

// walFrame is one page in the log.
type walFrame struct {
	page  uint32
	pages uint32 // of the database after the commit that ends here; 0: no commit ends here
	at    int64  // offset of the page
	good  bool   // page and number are what was written
}

const (
	walHeaderSize  = 32
	walFrameHeader = 24
	walMagic       = 0x377f0682 // with the lowest bit set, checksums take big-endian words
)

// damaged says whether there are commits that SQLite would not replay, and not speak of.
func (w *walScan) damaged() bool { return w.replay < w.commits }

// bad counts the committed frames that are cut off or are not what was written.
func (w *walScan) bad() int {
	n := max(w.commits-len(w.frames), 0)
	for _, f := range w.committed() {
		if !f.good {
			n++
		}
	}
	return n
}

func (w *walScan) committed() []walFrame { return w.frames[:min(w.commits, len(w.frames))] }

// scanWAL reads a log. Its memory is in proportion to the number of frames: 24 bytes for each.
func scanWAL(r io.Reader, mark walMark) (*walScan, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	w := &walScan{pageSize: sqlitedb.PageSize}
	head := make([]byte, walHeaderSize)
	if _, err := io.ReadFull(in, head); err != nil {
		return w, unlessShort(err)
	}
	v := walVerifier{big: binary.BigEndian.Uint32(head)&1 != 0}
	sound := v.header(head)
	if size := int64(binary.BigEndian.Uint32(head[8:])); sound && size >= 512 && size <= 65536 && size&(size-1) == 0 {
		w.pageSize = size
	}
	v.frame = make([]byte, walFrameHeader+w.pageSize)
	end, replayed := 0, sound // of this generation
	for at := int64(walHeaderSize); ; at += int64(len(v.frame)) {
		n, err := io.ReadFull(in, v.frame)
		if err != nil {
			w.torn = n >= 16 && v.salts() == v.generation
			if err := unlessShort(err); err != nil {
				return nil, err
			}
			break
		}
		own, good, amends := v.next()
		if i := len(w.frames); amends && i > 0 {
			w.frames[i-1].good = true
		}
		f := walFrame{page: binary.BigEndian.Uint32(v.frame), pages: binary.BigEndian.Uint32(v.frame[4:]), at: at + walFrameHeader, good: good}
		w.frames = append(w.frames, f)
		if own || good {
			end = len(w.frames)
		}
		if good && f.pages > 0 {
			w.commits = end
		}
		if replayed = replayed && own && good && !amends && f.page > 0; replayed && f.pages > 0 {
			w.replay = end
		}
	}
	w.frames = w.frames[:end]
	if mark.generation == v.generation && mark.frames > mark.folded {
		w.commits = max(w.commits, mark.frames)
	}
	rest := w.frames[len(w.committed()):]
	w.torn = w.torn || slices.ContainsFunc(rest, func(f walFrame) bool { return !f.good })
	return w, nil
}

// unlessShort is nil for the end of the file: a log may end anywhere.
func unlessShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
