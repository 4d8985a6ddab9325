package config

import (
	"slices"
	"testing"
	"time"
)

func TestChanges(t *testing.T) {
	from := mustLoad(t, "auth: {key: a-key}")
	to := mustLoad(t, "listen: localhost:0\nauth: {key: another}\npoll: {interval: 7s, paused: true}\ntune: {quantile: 0.9, staleness_target: 20s}\nlog: {level: info}")
	hot, cold := Changes(from, to)
	if want := []string{"auth.key", "poll.interval", "poll.paused", "tune.quantile"}; !slices.Equal(hot, want) {
		t.Errorf("hot: %v", hot)
	}
	if want := []string{"listen", "tune.staleness_target"}; !slices.Equal(cold, want) {
		t.Errorf("cold: %v", cold)
	}
	got := Reload(from, to)
	if got.Poll.Interval != 7*time.Second || !got.Poll.Paused || got.Tune.Quantile != 0.9 || got.Listen != from.Listen || got.Auth.Key.Value() != "another" {
		t.Errorf("reloaded: %+v", got)
	}
	if hot, cold := Changes(from, mustLoad(t, "auth: {key: a-key}")); hot != nil || cold != nil {
		t.Errorf("changes of nothing: %v, %v", hot, cold)
	}
}

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0.95": "", "0.5": "", "0.999": "", "1": `"1" is outside 0.5 to 0.999`, ".nan": `".nan" is not a number`, "NaN": `"NaN" is not a number`, "much": `"much" is not a number`,
	} {
		c, _, got := load(t, "tune: {quantile: "+text+"}")
		if want != "" {
			want = "sluice.yaml:1:18: tune.quantile: " + want
		}
		if got != want || want == "" && c.Tune.Quantile < 0.5 {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
