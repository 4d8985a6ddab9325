package compat

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"sluice/backend"
)

// legacyEvents are items as the app's own stream sends them.
func legacyEvents(s *rows, ids ...string) string {
	var b strings.Builder
	for _, n := range s.all {
		if slices.Contains(ids, n.ID) {
			data, err := envelope(n)
			if err != nil {
				panic(err)
			}
			fmt.Fprintf(&b, ": heartbeat\n\ndata: %s\n\n", data)
		}
	}
	return b.String()
}

// passes lets a body go by as alice's browser reads it.
func passes(t *testing.T, b *Bridge, body io.Reader) {
	t.Helper()
	r := httptest.NewRequest("GET", "/api/stream", nil)
	along := b.Along(io.NopCloser(body), r, alice, nil)
	if _, err := io.Copy(io.Discard, along); err != nil {
		t.Fatal(err)
	}
	if err := along.Close(); err != nil {
		t.Fatal(err)
	}
}

// resumed are the items that a new tab of the same browser gets.
func resumed(t *testing.T, b *Bridge, s *rows) (ids []string) {
	t.Helper()
	place, err := b.Resume(t.Context(), httptest.NewRequest("GET", "/api/notifications", nil), alice)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Read(t.Context(), alice, backend.Query{After: place, Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range p.Items {
		ids = append(ids, n.ID)
	}
	return ids
}

func want(t *testing.T, got []string, ids ...string) {
	t.Helper()
	if !slices.Equal(got, ids) {
		t.Errorf("got %v, want %v", got, ids)
	}
}

func TestResumeAfterWhatPassed(t *testing.T) {
	for name, body := range map[string]func(string) io.Reader{
		"at once":      func(s string) io.Reader { return strings.NewReader(s) },
		"byte by byte": func(s string) io.Reader { return iotest.OneByteReader(strings.NewReader(s)) },
		"CRLF":         func(s string) io.Reader { return strings.NewReader(strings.ReplaceAll(s, "\n", "\r\n")) },
		"CR":           func(s string) io.Reader { return strings.NewReader(strings.ReplaceAll(s, "\n", "\r")) },
		"among noise": func(s string) io.Reader {
			return strings.NewReader("data: {\n\ndata:[]\nid: 3\ndata\n:\n" + "data: " + strings.Repeat("x", mostLine+1) + "\n\n" + s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &rows{}
				s.add(time.Hour, "a", "b")
				b := newBridge(s, &tally{})
				passes(t, b, body(legacyEvents(s, "a", "b")))
				time.Sleep(time.Hour)
				s.add(time.Minute, "c")
				want(t, resumed(t, b, s), "c")
			})
		})
	}
}

// The app never sends an item of its cursor's second with a smaller id. What was
// shown after it proves nothing about it.
func TestResumeAfterTheLongestPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		s.add(0, "a", "m", "z")
		passes(t, b, strings.NewReader(legacyEvents(s, "a")))
		passes(t, b, strings.NewReader(legacyEvents(s, "z")))
		time.Sleep(time.Hour)
		want(t, resumed(t, b, s), "m", "z")
	})
}

func TestResumeRepeatsWhatIsRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		s.add(time.Minute, "a")
		passes(t, b, strings.NewReader(legacyEvents(s, "a")))
		want(t, resumed(t, b, s), "a") // it went by, but was it received?
	})
}

// Only so many are remembered; what is forgotten is taken for shown.
func TestALongStreamIsForgottenFromItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		var all []string
		for i := range 3 * mostPassed {
			id := fmt.Sprintf("%04d", 9999-i) // ids fall as time goes on
			s.add(0, id)
			passes(t, b, strings.NewReader(legacyEvents(s, id)))
			all = append(all, id)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		s.add(time.Minute, "new")
		want(t, resumed(t, b, s), "new")
		var kept int
		_ = b.options.Browsers.Update(t.Context(), browserOf(httptest.NewRequest("GET", "/", nil), alice), func(x *Browser) { kept = len(x.Passed.Keys) })
		if kept != mostPassed {
			t.Errorf("%d of %d items remembered", kept, len(all))
		}
	})
}

// A browser that was long away gets the newest page, not a flood.
func TestResumeAfterALongTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		s.add(0, "a")
		passes(t, b, strings.NewReader(legacyEvents(s, "a")))
		time.Sleep(time.Hour)
		s.add(time.Minute, numbered(150)...)
		if place, err := b.Resume(t.Context(), httptest.NewRequest("GET", "/", nil), alice); place != "" || err != nil {
			t.Errorf("resumes at %q, %v", place, err)
		}
	})
}

// The old tab's own reconnect goes the same way: from pass-through to the bridge.
func TestFromPassThroughToTheBridge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		for i, id := range numbered(30) {
			s.add(time.Hour-time.Duration(i)*time.Second, id)
		}
		passes(t, b, strings.NewReader(legacyEvents(s, numbered(30)[10:]...)))
		time.Sleep(time.Hour)
		s.add(time.Minute, "new")
		o := connect(b, "")
		defer o.close()
		wantIDs(t, o.now(t), "new")
	})
}

func TestAlongChangesNothing(t *testing.T) {
	body := bytes.Repeat([]byte("data: {\"type\":\"notification.created\",\"data\":{\"id\":\"a\",\"created_at\":\"2026-11-24 00:00:00\"}}\r\n\r\n\x00\xff"), 100)
	b := newBridge(&rows{}, &tally{})
	along := b.Along(io.NopCloser(iotest.DataErrReader(bytes.NewReader(body))), httptest.NewRequest("GET", "/", nil), alice, nil)
	got, err := io.ReadAll(along)
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes, want %d: %v", len(got), len(body), err)
	}
	if err := along.Close(); err != nil {
		t.Error(err)
	}
}

// What goes by is noted while the stream is open, too.
func TestAlongNotesAsItGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &rows{}
		b := newBridge(s, &tally{})
		s.add(time.Hour, "a")
		read, write := io.Pipe()
		along := b.Along(read, httptest.NewRequest("GET", "/api/stream", nil), alice, nil)
		done := make(chan struct{})
		go func() { defer close(done); _, _ = io.Copy(io.Discard, along) }()
		if _, err := io.WriteString(write, legacyEvents(s, "a")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(noteEvery)
		synctest.Wait()
		if place, _ := b.Resume(t.Context(), httptest.NewRequest("GET", "/", nil), alice); place == "" {
			t.Error("nothing is noted before the stream ends")
		}
		write.Close()
		<-done
		along.Close()
	})
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\r\nb\rc\n\nd"), 3)
	f.Fuzz(func(t *testing.T, text []byte, chunk int) {
		chunk = max(1, chunk%16)
		var whole, parts []string
		collect := func(to *[]string) func([]byte) { return func(l []byte) { *to = append(*to, string(l)) } }
		new(splitter).split(text, collect(&whole))
		var s splitter
		for rest := text; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
			s.split(rest[:min(chunk, len(rest))], collect(&parts))
		}
		if !slices.Equal(whole, parts) {
			t.Fatalf("%q in pieces of %d: %q, whole: %q", text, chunk, parts, whole)
		}
		for _, l := range whole {
			if l == "" || strings.ContainsAny(l, "\r\n") {
				t.Fatalf("line %q", l)
			}
		}
	})
}

// ear is a Listener.
type ear struct {
	heard [][]string // the ids in each piece
	ended int
}

func (e *ear) Heard(items []backend.Key) {
	var ids []string
	for _, k := range items {
		ids = append(ids, k.ID)
	}
	e.heard = append(e.heard, ids)
}

func (e *ear) Ended() { e.ended++ }

// A listener hears every piece, the heartbeats too, and of an item when its line has
// ended.
func TestAlongTellsItsListener(t *testing.T) {
	s, e := &rows{}, &ear{}
	s.add(time.Hour, "a", "b", "c")
	b := newBridge(s, &tally{})
	read, write := io.Pipe()
	along := b.Along(read, httptest.NewRequest("GET", "/api/stream", nil), alice, e)
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(io.Discard, along); along.Close() }()
	event := legacyEvents(s, "a")
	for _, piece := range []string{": heartbeat\n\n", event[:40], event[40:], legacyEvents(s, "b", "c"), "data: {\"type\":\"error\"}\n\n"} {
		if _, err := io.WriteString(write, piece); err != nil {
			t.Fatal(err)
		}
	}
	write.Close()
	<-done
	if want := [][]string{nil, nil, {"a"}, {"b", "c"}, nil}; !slices.EqualFunc(e.heard, want, slices.Equal[[]string]) || e.ended != 1 {
		t.Errorf("heard %q, %d ends", e.heard, e.ended)
	}
}
