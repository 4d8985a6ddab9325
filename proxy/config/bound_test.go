package config

import (
	"testing"
	"time"
)

func TestBoundText(t *testing.T) {
	for text, want := range map[string]Bound{"auto": Auto, "0": 0, "2s": Bound(2 * time.Second), "10m": Bound(10 * time.Minute)} {
		var b, again Bound
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s = %d, %v, want %d", text, b, err, want)
		}
		written, _ := b.MarshalText()
		if err := again.UnmarshalText(written); err != nil || again != b {
			t.Errorf("%s came back from %s as %v, %v", text, written, again, err)
		}
	}
}

func TestBoundErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":     `"" is neither auto nor a duration such as 2s`,
		"AUTO": `"AUTO" is neither auto nor a duration such as 2s`,
		"-1ns": `"-1ns" is outside 0 to 10m0s`,
		"601s": `"601s" is outside 0 to 10m0s`,
	} {
		b := Bound(7)
		if err := b.UnmarshalText([]byte(text)); err == nil || err.Error() != want || b != 7 {
			t.Errorf("%s: %v, bound %d, want %s and 7", text, err, b, want)
		}
	}
}
