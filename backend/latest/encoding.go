package latest

import (
	"encoding/binary"
	"time"

	"github.com/cespare/xxhash/v2"

	"sluice/backend"
)

// A Redis value is the nonce (8 bytes), and once a read has been stored: its
// start (6, Redis milliseconds), flags (1), a check of the user (4), created_at
// (8), the hash of the id (8), sum (8). These 43 bytes are the point: Redis keeps
// a string of up to 44 bytes in one allocation of 64 together with its header.
const (
	nonceLength = 8
	storedAt    = nonceLength
	valueLength = nonceLength + 6 + 1 + 4 + 8 + 8 + 8

	flagCovered = 1 << 0
	flagAged    = 1 << 1
)

func encode(t Ticket, user string, l backend.Latest) []byte {
	b := make([]byte, 0, valueLength)
	b = binary.BigEndian.AppendUint64(b, t.nonce)
	ms := uint64(t.at / 1000) // rounded down: rather too old than too young
	b = binary.BigEndian.AppendUint16(b, uint16(ms>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(ms))
	var flags byte
	if l.Covered {
		flags |= flagCovered
	}
	if l.Aged {
		flags |= flagAged
	}
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, userCheck(user))
	b = binary.BigEndian.AppendUint64(b, uint64(l.At))
	b = binary.BigEndian.AppendUint64(b, l.ID)
	return binary.BigEndian.AppendUint64(b, l.Sum)
}

// decode reads a whole value; at is in microseconds. It refuses what is damaged,
// and what was written for another user, whatever key it is found under.
func decode(value, user string) (at int64, l backend.Latest, ok bool) {
	if len(value) != valueLength {
		return 0, l, false
	}
	b := []byte(value)[storedAt:]
	ms := int64(binary.BigEndian.Uint16(b))<<32 | int64(binary.BigEndian.Uint32(b[2:]))
	if binary.BigEndian.Uint32(b[7:]) != userCheck(user) {
		return 0, l, false
	}
	l.Covered, l.Aged = b[6]&flagCovered != 0, b[6]&flagAged != 0
	l.At = int64(binary.BigEndian.Uint64(b[11:]))
	l.ID = binary.BigEndian.Uint64(b[19:])
	l.Sum = binary.BigEndian.Uint64(b[27:])
	return ms * time.Millisecond.Microseconds(), l, true
}

func userCheck(user string) uint32 { return uint32(xxhash.Sum64String(user)) }
