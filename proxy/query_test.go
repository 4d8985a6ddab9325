package proxy

import (
	"net/url"
	"strings"
	"testing"

	"sluice/backend"
)

var testLimits = limits{50, 100}

func TestParseQuery(t *testing.T) {
	for raw, want := range map[string]backend.Query{
		"":                                     {Limit: 50},
		"limit=7":                              {Limit: 7},
		"limit=0":                              {Limit: 1},
		"limit=-1":                             {Limit: 1},
		"limit=-0":                             {Limit: 1},
		"limit=101":                            {Limit: 100},
		"limit=007":                            {Limit: 7},
		"limit=99999999999999999999":           {Limit: 100},
		"limit=-99999999999999999999":          {Limit: 1},
		"after_id=":                            {Limit: 50},
		"after_id=a":                           {Limit: 50, After: "a"},
		"after_id=a;limit=5":                   {Limit: 50, After: "a;limit=5"}, // & alone separates, as in the app
		"after_id=a%20b%22%27":                 {Limit: 50, After: `a b"'`},
		"before_id=b&limit=2":                  {Limit: 2, Before: "b"},
		"after_id=&before_id=b":                {Limit: 50, Before: "b"},
		"%61fter_id=a":                         {Limit: 50, After: "a"},
		"other=%zz&other=;&limit=3&&=":         {Limit: 3},
		"after_id=" + strings.Repeat("x", 256): {Limit: 50, After: strings.Repeat("x", 256)},
	} {
		if got, err := parseQuery(raw, testLimits); err != nil || got.Query != want || got.Resume {
			t.Errorf("%q: %+v, %v; want %+v", raw, got, err, want)
		}
	}
}

func TestParseQueryResume(t *testing.T) {
	if q, err := parseQuery("resume=legacy&limit=5", testLimits); err != nil || !q.Resume || q.Limit != 5 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestParseQueryRefuses(t *testing.T) {
	for raw, want := range map[string]string{
		"limit=":                               "limit: want a whole number",
		"limit":                                "limit: want a whole number",
		"limit=abc":                            "limit: want a whole number",
		"limit=+5":                             "limit: want a whole number",
		"limit=5.0":                            "limit: want a whole number",
		"limit=-":                              "limit: want a whole number",
		"limit=%D9%A3":                         "limit: want a whole number", // an Arabic digit
		"limit=1&limit=1":                      "limit: given more than once",
		"after_id=a&after_id=":                 "after_id: given more than once",
		"before_id=a&before_id=b":              "before_id: given more than once",
		"after_id=a&before_id=b":               "after_id and before_id: only one of them",
		"resume=":                              "resume: want legacy",
		"resume=legacy&resume=legacy":          "resume: given more than once",
		"after_id=%zz":                         "after_id: bad percent-encoding",
		"after_id=a%00b":                       "after_id: contains NUL",
		"after_id=%ff":                         "after_id: not UTF-8",
		"after_id=" + strings.Repeat("x", 257): "after_id: longer than 256 bytes",
	} {
		if _, err := parseQuery(raw, testLimits); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", raw, err, want)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, raw := range []string{"", "limit=5&after_id=a", "before_id=%00", "limit=-9&limit", "a;b=%zz&after_id=%F0%9F%98%80"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := parseQuery(raw, testLimits)
		if err != nil {
			return
		}
		if q.Limit < 1 || q.Limit > 100 || len(q.After) > maxCursor || len(q.Before) > maxCursor || q.After != "" && q.Before != "" {
			t.Fatalf("%q: %+v", raw, q)
		}
		// Where net/url understands the query too, both must agree.
		if v, err := url.ParseQuery(raw); err == nil && v.Get("after_id") != q.After {
			t.Fatalf("%q: after_id %q, net/url reads %q", raw, q.After, v.Get("after_id"))
		}
	})
}
