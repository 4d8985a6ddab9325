package compat

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sluice/backend"
)

// Whatever a notification says, it is one event, and its reader gets back what
// went in.
func FuzzEvent(f *testing.F) {
	f.Add("id", "info", "text", "title", `{"href":"/jobs/7"}`, int64(0))
	f.Add("a\nid: b", "in\rfo", "data: x\n\nid: 1\n\n", "\u2028\u2029</script>&", "{\n \"a\":\r\n 1}", int64(1e15))
	f.Add("\x00", "\xff", "\xc3", "\ufeff", `[1]`, int64(-1))
	f.Fuzz(func(t *testing.T, id, level, text, title, context string, at int64) {
		at %= 250_000_000_000_000_000 // to the year 9892 and back
		n := backend.Notification{
			Key: backend.Key{At: at, ID: id}, Level: level, Text: text, Title: title, Context: backend.ContextObject([]byte(context)),
		}
		data, err := envelope(n)
		if err != nil {
			t.Fatal(err)
		}
		place := backend.Cursor{Key: n.Key, Sum: uint64(at)}.Seal("alice")
		stream := string(appendRetry(appendEvent([]byte(heartbeat), place, data), time.Second)) + heartbeat
		r := readEvents(stream)
		if len(r.events) != 1 || r.rest != "" || r.place != place || r.events[0].lastEventID != place || r.events[0].kind != "" {
			t.Fatalf("%q reads as %+v", stream, r)
		}
		var got struct {
			Type string
			Data struct {
				ID, Level, Text, Title string
				CreatedAt              string `json:"created_at"`
				Context                any
			}
		}
		if err := json.Unmarshal([]byte(r.events[0].data), &got); err != nil {
			t.Fatal(err)
		}
		for field, pair := range map[string][2]string{
			"id": {id, got.Data.ID}, "level": {level, got.Data.Level}, "text": {text, got.Data.Text}, "title": {title, got.Data.Title},
		} {
			if utf8.ValidString(pair[0]) && pair[0] != pair[1] {
				t.Errorf("%s: %q came back as %q", field, pair[0], pair[1])
			}
		}
		var want any
		if err := json.Unmarshal(n.Context, &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got.Data.Context); d != "" {
			t.Errorf("context: %s", d)
		}
		if got.Data.CreatedAt != n.Time().Format(backend.LegacyTime) || got.Type != "notification.created" {
			t.Errorf("%+v", got)
		}
	})
}
