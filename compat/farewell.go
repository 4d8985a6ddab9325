package compat

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/backend"
)

// Before the old stream is retired, its readers are told to reload their page. To
// them it is one more notification. The old page removes repeats of one id, so the id is
// the same all day. Other pages do not; but they come back with the id of the last event,
// and from then on their ids say that they were told. Neither moves the reader's place.

// toldMark ends the ids of a reader who was told; a cursor never ends so.
const toldMark = "~"

// toldAt takes the mark off a place.
func toldAt(place, user string) (bare string, told bool) {
	bare, told = strings.CutSuffix(place, toldMark)
	if _, ok := backend.Open(bare, user); !told || !ok {
		return place, false
	}
	return bare, true
}

// sayFarewell tells the reader, once, behind the first page: the reader's place is
// known then.
func (s *stream) sayFarewell(text string) error {
	now := time.Now().UTC()
	data, err := envelope(backend.Notification{
		Key:   backend.Key{At: now.UnixMicro(), ID: farewellID(s.caller.User, now)},
		Level: "info", Text: text, Context: backend.ContextObject(nil),
	})
	if err != nil {
		return err
	}
	s.farewell, s.mark = "", toldMark
	s.out.buf = appendEvent(s.out.buf, s.id(s.place), data)
	return nil
}

// farewellID is one for a user and a day.
func farewellID(user string, now time.Time) string {
	return uuid.NewSHA1(uuid.Nil, []byte("sluice farewell "+now.Format(time.DateOnly)+" "+user)).String()
}
