package walimage

import "encoding/binary"

// verifier verifies one frame after the other.
type verifier struct {
	big        bool
	generation uint64 // salts of the current frames; 0: the header is damaged and no frame has been verified yet
	frame      []byte // the frame to verify, with its header

	// Checksum of the frame before: as it is stored there, and as it was computed.
	stored, computed checksum

	computedOK bool // computed follows from a verified frame
	inside     bool // the frame before is of the current generation
}

// checksum is continued from frame to frame.
type checksum [2]uint32

// header reports whether SQLite accepts the header. If it does not, the frames provide the salts.
func (v *verifier) header(b []byte) (valid bool) {
	v.stored = readChecksum(b[24:])
	v.computed = checksum{}.add(b[:24], v.big)
	v.computedOK, v.inside = true, true
	valid = v.computed == v.stored && binary.BigEndian.Uint32(b)&^1 == magic
	if valid {
		v.generation = binary.BigEndian.Uint64(b[16:])
	}
	return valid
}

func (v *verifier) salts() uint64 { return binary.BigEndian.Uint64(v.frame[8:]) }

// next verifies the frame. own reports that it has the salts of the current generation, intact that its page and page
// number are as written, amends that only the checksum of the frame before is damaged, so that that frame is intact, too.
func (v *verifier) next() (own, intact, amends bool) {
	stored := readChecksum(v.frame[16:])
	fromStored := v.sum(v.stored)
	fromComputed := fromStored
	if v.computedOK && v.computed != v.stored {
		fromComputed = v.sum(v.computed)
		amends = fromComputed == stored
	}
	intact = fromStored == stored || amends
	if intact && v.generation == 0 {
		v.generation = v.salts()
	}
	own = v.salts() == v.generation
	intact = intact && (own || v.inside) // frames of an earlier generation continue each other, but not the current one
	v.computed, v.computedOK = fromComputed, v.computedOK && v.computed == v.stored || amends
	if intact {
		v.computed, v.computedOK = stored, true
	}
	v.stored, v.inside = stored, own || intact
	return own, intact, amends && intact
}

// sum continues a checksum over the fields of the frame that its checksum covers: page number, commit and page.
func (v *verifier) sum(s checksum) checksum {
	return s.add(v.frame[:8], v.big).add(v.frame[FrameHeaderSize:], v.big)
}

func readChecksum(b []byte) checksum {
	return checksum{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}

// add continues the checksum over b, whose length is a multiple of 8.
func (s checksum) add(b []byte, big bool) checksum {
	s0, s1 := s[0], s[1]
	if big {
		for ; len(b) >= 8; b = b[8:] {
			s0 += binary.BigEndian.Uint32(b) + s1
			s1 += binary.BigEndian.Uint32(b[4:]) + s0
		}
	} else {
		for ; len(b) >= 8; b = b[8:] {
			s0 += binary.LittleEndian.Uint32(b) + s1
			s1 += binary.LittleEndian.Uint32(b[4:]) + s0
		}
	}
	return checksum{s0, s1}
}

// Mark is the state of a log according to its index in shared memory. After a power cut it may be older than the log,
// never newer within one generation: SQLite updates it when a commit is synced.
type Mark struct {
	Frames int // committed frames

	generation   uint64
	checkpointed int // committed frames that are in the database already
}

// ReadMark decodes the header of an index file, which the file has twice. It returns the zero Mark if the header is torn
// or not of SQLite.
func ReadMark(b []byte) Mark {
	const size = 48
	native := binary.NativeEndian
	if len(b) < 2*size+4 || string(b[:size]) != string(b[size:2*size]) || b[12] != 1 {
		return Mark{}
	}
	big := native.Uint16([]byte{0, 1}) == 1
	if (checksum{}).add(b[:40], big) != (checksum{native.Uint32(b[40:]), native.Uint32(b[44:])}) {
		return Mark{}
	}
	return Mark{
		generation: binary.BigEndian.Uint64(b[32:]), Frames: int(native.Uint32(b[16:])), checkpointed: int(native.Uint32(b[96:])),
	}
}
