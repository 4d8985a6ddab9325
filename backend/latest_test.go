package backend

import "testing"

func TestLatestProvesOnlyTheSamePlace(t *testing.T) {
	at := Cursor{Key: Key{At: 100, ID: "m"}, Sum: 7}
	settled := at
	settled.Settled = true
	latest := func(at int64, id string, l Latest) Latest {
		l.At, l.ID = at, hashID(id)
		return l
	}
	shown := latest(100, "m", Latest{Sum: 7, Covered: true, Aged: true})
	for name, c := range map[string]struct {
		latest Latest
		after  string
		want   bool
	}{
		"equal":                             {shown, at.Seal(user), true},
		"another sum":                       {latest(100, "m", Latest{Sum: 8, Covered: true}), at.Seal(user), false},
		"another sum, settled":              {latest(100, "m", Latest{Sum: 8, Covered: true}), settled.Seal(user), true},
		"look-back not seen":                {latest(100, "m", Latest{Sum: 7}), at.Seal(user), false},
		"later place":                       {latest(99, "z", Latest{Sum: 7, Covered: true}), at.Seal(user), false},
		"same second, smaller id":           {latest(100, "a", Latest{Sum: 7, Covered: true}), settled.Seal(user), false},
		"another user's":                    {shown, at.Seal("bob"), false},
		"bare id of the latest item":        {shown, "m", true},
		"bare id of the latest item, young": {latest(100, "m", Latest{Sum: 7, Covered: true}), "m", false},
		"another bare id":                   {shown, "n", false},
		"no place":                          {shown, "", false},
		"nobody's items":                    {Latest{Covered: true, Aged: true}, "0", true},
		"nobody's items, no place":          {Latest{Covered: true, Aged: true}, "", false},
	} {
		if got := c.latest.Proves(NewStand(user, c.after)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLatestOfAPage(t *testing.T) {
	w := &world{rows: []Notification{row(1, "a"), row(2, "b")}, now: 10}
	if p := w.read(t, Query{After: "0", Limit: 1}); p.Latest != nil {
		t.Error("a page with more to come cannot tell what is latest")
	}
	p := w.read(t, Query{After: "0"})
	if p.Latest == nil || !p.Latest.Proves(NewStand(user, p.Place)) {
		t.Errorf("%+v does not prove its own page's place", p.Latest)
	}
	if p.Latest.Aged {
		t.Error("an item of 8 s counts as older than 30 s")
	}
	w.now = 33
	if p := w.read(t, Query{After: p.Place}); !p.Latest.Aged {
		t.Error("an item of 31 s counts as young")
	}
}
