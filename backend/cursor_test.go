package backend

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCursorSurvivesSealing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.StringN(1, -1, MaxIDLength),
			rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`),
			rapid.StringMatching(`[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}`),
		).Draw(t, "id")
		c := Cursor{
			Key:     Key{At: rapid.Int64().Draw(t, "at"), ID: id},
			Sum:     rapid.Uint64().Draw(t, "sum"),
			Settled: rapid.Bool().Draw(t, "settled"),
		}
		user := rapid.String().Draw(t, "user")
		text := c.Seal(user)
		if len(text) > 256 {
			t.Fatalf("a cursor of %d bytes is longer than a client may send", len(text))
		}
		if got, ok := Open(text, user); !ok || got != c {
			t.Fatalf("Open(Seal(%+v)) = %+v, %v", c, got, ok)
		}
		if _, ok := Open(text, user+"x"); ok {
			t.Fatal("another user's cursor was taken for a place")
		}
	})
}

func TestCursorOfAUUIDIsShort(t *testing.T) {
	c := Cursor{Key: Key{At: 1764000000e6, ID: "0b0e6f1e-6f0f-4a3e-9d51-0f6f6d1f2a3b"}, Sum: 1 << 63}
	if n := len(c.Seal("alice")); n > 60 {
		t.Errorf("%d characters, want about 50", n)
	}
}

func TestOriginIsTheZeroCursor(t *testing.T) {
	if text := (Cursor{}).Seal("alice"); text != "0" {
		t.Errorf("sealed as %q", text)
	}
	if c, ok := Open("0", "bob"); !ok || c != (Cursor{}) {
		t.Errorf("Open(0) = %+v, %v", c, ok)
	}
}

func TestOpenRefusesWhatIsNotSealed(t *testing.T) {
	good := Cursor{Key: Key{At: 1, ID: "x"}}.Seal("alice")
	for name, text := range map[string]string{
		"empty":        "",
		"a UUID":       "0b0e6f1e-6f0f-4a3e-9d51-0f6f6d1f2a3b",
		"quotes":       `"'`,
		"truncated":    good[:len(good)-2],
		"extended":     good + "AA",
		"padded":       good + "=",
		"a line break": good[:9] + "\n" + good[9:],
		"broken ends":  good + "\r\n",
		"changed":      strings.Replace(good, good[:1], "Z", 1),
		"short base64": "AAAA",
	} {
		if c, ok := Open(text, "alice"); ok {
			t.Errorf("%s: taken for %+v", name, c)
		}
	}
}

// A damaged bit anywhere must not yield another place.
func TestOpenNoticesEveryChangedCharacter(t *testing.T) {
	good := Cursor{Key: Key{At: 1764000000e6, ID: "0b0e6f1e-6f0f-4a3e-9d51-0f6f6d1f2a3b"}, Sum: 42, Settled: true}.Seal("alice")
	for i := range good {
		for _, r := range []byte("AZaz09-_") {
			changed := good[:i] + string(r) + good[i+1:]
			if _, ok := Open(changed, "alice"); ok && changed != good {
				t.Fatalf("character %d changed from %c to %c went unnoticed", i, good[i], r)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("0", "alice")
	f.Add(Cursor{Key: Key{At: 1, ID: "x"}}.Seal("alice"), "alice")
	f.Add("0b0e6f1e-6f0f-4a3e-9d51-0f6f6d1f2a3b", "")
	f.Fuzz(func(t *testing.T, text, user string) {
		c, ok := Open(text, user)
		if !ok {
			return
		}
		if again := c.Seal(user); again != text {
			t.Fatalf("%q was opened, but its cursor is sealed as %q", text, again)
		}
	})
}

func TestSumTellsSetsApart(t *testing.T) {
	a, b := Key{1, "a"}, Key{2, "b"}
	if Sum([]Key{a, b}) != Sum([]Key{b, a}) {
		t.Error("depends on the order")
	}
	for name, other := range map[string][]Key{"fewer": {a}, "none": nil, "another id": {a, {2, "c"}}, "another time": {a, {3, "b"}}} {
		if Sum([]Key{a, b}) == Sum(other) {
			t.Errorf("%s: same sum", name)
		}
	}
}
