package chunk

import "encoding/binary"

// walVerifier verifies one frame after the other.
type walVerifier struct {
	big        bool
	generation uint64 // the salts of the frames in force; 0: the header is damaged and no frame has told yet
	frame      []byte // the one to verify, with its header

	stored, made walSum // checksum of the frame before: as it is written there, and as it should be
	made1        bool   // made follows from a frame that was verified
	inside       bool   // the frame before is of this generation
}

// walSum is a checksum; each continues the one of the frame before.
type walSum [2]uint32

// header says whether SQLite takes the header for one. Where not, the frames tell their salts themselves.
func (v *walVerifier) header(b []byte) (sound bool) {
	v.stored = readSum(b[24:])
	v.made = walSum{}.add(b[:24], v.big)
	v.made1, v.inside = true, true
	sound = v.made == v.stored && binary.BigEndian.Uint32(b)&^1 == walMagic
	if sound {
		v.generation = binary.BigEndian.Uint64(b[16:])
	}
	return sound
}

func (v *walVerifier) salts() uint64 { return binary.BigEndian.Uint64(v.frame[8:]) }

// next verifies the frame. own says that it bears the salts of this generation, good that its page and number are
// right, amends that those of the frame before are, too, whose checksum alone is damaged.
func (v *walVerifier) next() (own, good, amends bool) {
	stored := readSum(v.frame[16:])
	viaStored := v.sum(v.stored)
	viaMade := viaStored
	if v.made1 && v.made != v.stored {
		viaMade = v.sum(v.made)
		amends = viaMade == stored
	}
	good = viaStored == stored || amends
	if good && v.generation == 0 {
		v.generation = v.salts()
	}
	own = v.salts() == v.generation
	good = good && (own || v.inside) // frames of an earlier generation follow from each other, but not from ours
	v.made, v.made1 = viaMade, v.made1 && v.made == v.stored || amends
	if good {
		v.made, v.made1 = stored, true
	}
	v.stored, v.inside = stored, own || good
	return own, good, amends && good
}

// sum continues a checksum over what a frame's own one covers: number and commit, not the salts, and the page.
func (v *walVerifier) sum(s walSum) walSum {
	return s.add(v.frame[:8], v.big).add(v.frame[walFrameHeader:], v.big)
}

func readSum(b []byte) walSum {
	return walSum{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}
}

// add continues the checksum over b, whose length is a multiple of 8.
func (s walSum) add(b []byte, big bool) walSum {
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
	return walSum{s0, s1}
}

// walMark is what the shared memory beside a log says of it. After a power cut it may be older than the log, never
// newer within one generation: SQLite notes a commit there once the log is synced.
type walMark struct {
	generation uint64
	frames     int // committed
	folded     int // of them, those that are in the database already
}

// readMark decodes the index header of a -shm file, which is there twice; a torn or foreign one is no mark.
func readMark(b []byte) (m walMark) {
	const size = 48
	native := binary.NativeEndian
	if len(b) < 2*size+4 || string(b[:size]) != string(b[size:2*size]) || b[12] != 1 {
		return walMark{}
	}
	big := native.Uint16([]byte{0, 1}) == 1
	if (walSum{}).add(b[:40], big) != (walSum{native.Uint32(b[40:]), native.Uint32(b[44:])}) {
		return walMark{}
	}
	return walMark{
		generation: binary.BigEndian.Uint64(b[32:]), frames: int(native.Uint32(b[16:])), folded: int(native.Uint32(b[96:])),
	}
}
