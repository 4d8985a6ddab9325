package config

import "testing"

func TestDidYouMean(t *testing.T) {
	tests := []struct{ name, want string }{
		{"poll.intervall", "; did you mean poll.interval?"},
		{"poll.interva", "; did you mean poll.interval?"},
		{"Poll.interval", "; did you mean poll.interval?"},
		{"redis.uri", "; did you mean redis.url?"},
		{"stor", "; did you mean store?"},
		{"foo", ""},
		{"", ""},
		{"a.long.name.that.is.like.nothing", ""},
	}
	for _, test := range tests {
		if got := didYouMean(test.name, keys()); got != test.want {
			t.Errorf("%q: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"same", "same", 0},
		{"kitten", "sitting", 3}, {"abc", "ac", 1}, {"ac", "abc", 1}, {"flaw", "lawn", 2}, {"ab", "ba", 2},
	}
	for _, test := range tests {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
