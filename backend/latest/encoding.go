package latest

import (
	"encoding/binary"

	"sluice/backend"
)

// A Redis value is the nonce (8 bytes), and once a read has been stored: its
// start (8, Redis microseconds), flags (1), created_at (8), sum (8), the length
// of the user id (2), the user id, the item's id.
const (
	nonceLength = 8
	fixedLength = 8 + 1 + 8 + 8 + 2

	flagCovered = 1 << 0
	flagAged    = 1 << 1
)

func encode(t Ticket, user string, l backend.Latest) []byte {
	b := make([]byte, 0, nonceLength+fixedLength+len(user)+len(l.ID))
	b = binary.BigEndian.AppendUint64(b, t.nonce)
	b = binary.BigEndian.AppendUint64(b, uint64(t.at))
	var flags byte
	if l.Covered {
		flags |= flagCovered
	}
	if l.Aged {
		flags |= flagAged
	}
	b = append(b, flags)
	b = binary.BigEndian.AppendUint64(b, uint64(l.At))
	b = binary.BigEndian.AppendUint64(b, l.Sum)
	b = binary.BigEndian.AppendUint16(b, uint16(len(user)))
	b = append(b, user...)
	return append(b, l.ID...)
}

// decode reads a value without its nonce. It refuses what is damaged, and what
// was written for another user, whatever key it is found under.
func decode(value, user string) (at int64, l backend.Latest, ok bool) {
	if len(value) < fixedLength {
		return 0, l, false
	}
	b := []byte(value)
	at = int64(binary.BigEndian.Uint64(b))
	l.Covered, l.Aged = b[8]&flagCovered != 0, b[8]&flagAged != 0
	l.At = int64(binary.BigEndian.Uint64(b[9:]))
	l.Sum = binary.BigEndian.Uint64(b[17:])
	name := int(binary.BigEndian.Uint16(b[25:]))
	rest := value[fixedLength:]
	if name > len(rest) || rest[:name] != user {
		return 0, l, false
	}
	l.ID = rest[name:]
	return at, l, true
}
