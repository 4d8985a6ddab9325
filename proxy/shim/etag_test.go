package shim

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEntityTags(t *testing.T) {
	for etag, want := range map[string]string{`"abc"`: `W/"` + mark + `s-abc"`, `W/"abc"`: `W/"` + mark + `w-abc"`, `""`: `W/"` + mark + `s-"`, "": "", "abc": "", `"abc`: "", `"a"b"`: "", `w/"a"`: "", "*": ""} {
		if got := marked(etag); got != want {
			t.Errorf("%s: %s, want %s", etag, got, want)
		}
	}
	ours, weak := marked(`"a, b"`), marked(`W/"c"`)
	for _, c := range []struct{ lines, want []string }{
		{nil, nil}, {[]string{""}, nil}, {[]string{"*"}, nil}, {[]string{`"a"`, `W/"b"`}, nil}, {[]string{`"` + mark + `abc"`, `"` + mark + `x-abc"`, `"s-abc"`}, nil},
		{[]string{ours}, []string{`"a, b"`}}, {[]string{weak}, []string{`W/"c"`}},
		{[]string{strings.TrimPrefix(weak, "W/")}, []string{`W/"c"`}}, // something on the way may have taken it for strong
		{[]string{`"x" ,` + ours + "\t, W/\"y\"", weak + ",,"}, []string{`"a, b"`, `W/"c"`}},
		{[]string{ours + `, "unfinished`, weak}, []string{`"a, b"`}},
		{[]string{marked(marked(`"nested"`))}, []string{marked(`"nested"`)}},
	} {
		if got := restored(c.lines); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.lines, got, c.want)
		}
	}
}

// What the app called a page comes back to it as it was.
func TestModelEntityTagsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tags := rapid.SliceOfN(rapid.StringMatching(`(W/)?"[!#-~]*"`), 1, 4).Draw(t, "tags")
		var sent []string
		for _, tag := range tags {
			sent = append(sent, marked(tag), tag) // the latter is of a copy without the tag
		}
		lines := []string{strings.Join(sent[:len(sent)/2], ", "), strings.Join(sent[len(sent)/2:], ",")}
		if got := restored(lines); !slices.Equal(got, tags) {
			t.Fatalf("%q came back as %q", tags, got)
		}
	})
}

// Whatever an app's entity tag is, a browser that sends back ours asks the app for it, and
// for nothing else.
func FuzzMarked(f *testing.F) {
	for _, etag := range []string{`"abc"`, `W/"abc"`, `"a, b"`, `""`, `abc`, `"a"b"`, `"sluice-`} {
		f.Add(etag)
	}
	f.Fuzz(func(t *testing.T, etag string) {
		ours := marked(etag)
		if ours == "" {
			return
		}
		for _, sent := range []string{ours, `"other", ` + ours, ours + `, W/"other"`} {
			if got := restored([]string{sent}); len(got) != 1 || got[0] != etag {
				t.Fatalf("%q of the app became %q, and %q of it", etag, sent, got)
			}
		}
		_ = restored([]string{etag})
	})
}
