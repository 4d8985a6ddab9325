package backend

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"
)

// MaxIDLength is the longest id a cursor can hold, in bytes: with it, a cursor
// stays within the 256 bytes that a client may send.
const MaxIDLength = 160

// Cursor is a reader's place: the newest item handed out, and a checksum of all
// rows of the user within the look-back behind it.
type Cursor struct {
	Key
	Sum     uint64 // Sum of the keys in [At − look-back, Key], expired rows too
	Settled bool   // At was older than the look-back when the cursor was issued: nothing can slide in behind it any more
}

// Since is the place before everything that was created in the second of a
// moment or later, for a reader of whom no better place is known. Nothing behind
// it is looked at.
func Since(t time.Time) Cursor { return Cursor{Key: Key{At: t.UnixMicro()}, Settled: true} }

// origin is the text of the cursor before the first row.
const origin = "0"

// A sealed cursor is base64url of: version and flags (1 byte), created_at (8),
// sum (8), the id (a canonical UUID as 16 bytes, else its text), and a 32-bit
// check over these and the user. The check keeps a client's own ids, damaged
// cursors and cursors of another user from being taken for a place.
const (
	version     = 0x10
	flagSettled = 1 << 0
	flagUUID    = 1 << 1

	headLength  = 1 + 8 + 8
	checkLength = 4
)

// Seal is the cursor's text: opaque, URL-safe, at most 256 bytes, valid for this
// user only.
func (c Cursor) Seal(user string) string {
	if c.Key == (Key{}) {
		return origin
	}
	b := make([]byte, headLength, headLength+len(c.ID)+checkLength)
	b[0] = version
	if c.Settled {
		b[0] |= flagSettled
	}
	binary.BigEndian.PutUint64(b[1:], uint64(c.At))
	binary.BigEndian.PutUint64(b[9:], c.Sum)
	if u, ok := canonicalUUID(c.ID); ok {
		b[0] |= flagUUID
		b = append(b, u[:]...)
	} else {
		b = append(b, c.ID...)
	}
	b = binary.BigEndian.AppendUint32(b, check(b, user))
	return base64.RawURLEncoding.EncodeToString(b)
}

// Open reads a cursor that was sealed for this user. It reports false for
// everything else, the id of an item included.
func Open(text, user string) (Cursor, bool) {
	if text == origin {
		return Cursor{}, true
	}
	if strings.ContainsAny(text, "\r\n") {
		return Cursor{}, false // base64's decoder passes over line breaks, the strict one too: one cursor would have many texts
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < headLength+checkLength || b[0]&^(flagSettled|flagUUID) != version {
		return Cursor{}, false
	}
	body, sum := b[:len(b)-checkLength], binary.BigEndian.Uint32(b[len(b)-checkLength:])
	if check(body, user) != sum {
		return Cursor{}, false
	}
	c := Cursor{
		Key:     Key{At: int64(binary.BigEndian.Uint64(body[1:])), ID: string(body[headLength:])},
		Sum:     binary.BigEndian.Uint64(body[9:]),
		Settled: body[0]&flagSettled != 0,
	}
	if body[0]&flagUUID != 0 {
		u, err := uuid.FromBytes(body[headLength:])
		if err != nil {
			return Cursor{}, false
		}
		c.ID = u.String()
	}
	return c, true
}

// check binds a cursor to its user. It is no signature: who forges a cursor
// reads their own notifications from another place, and nothing else.
func check(body []byte, user string) uint32 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(user)
	_, _ = d.Write([]byte{0})
	_, _ = d.Write(body)
	return uint32(d.Sum64())
}

func canonicalUUID(id string) (uuid.UUID, bool) {
	if len(id) != 36 {
		return uuid.UUID{}, false
	}
	u, err := uuid.Parse(id)
	return u, err == nil && u.String() == id
}

// Sum is an order-independent checksum of a set of rows: the sum of a 64-bit
// hash of each. Being a sum, it can follow a window as it moves.
func Sum(keys []Key) uint64 {
	var sum uint64
	for _, k := range keys {
		sum += hash(k)
	}
	return sum
}

// hash takes created_at in besides the id, so that a row replaced under its old
// id with a new created_at is noticed.
func hash(k Key) uint64 {
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(k.At))
	var d xxhash.Digest
	d.Reset()
	_, _ = d.Write(at[:])
	_, _ = d.WriteString(k.ID)
	return d.Sum64()
}

// before is the moment d before a key, in microseconds.
func (k Key) before(d time.Duration) int64 { return k.At - d.Microseconds() }
