package auth

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice/backend"
	"sluice/internal/bounded/boundedtest"
	"sluice/internal/uptime"
)

// The cookie is the one that net/http finds, which is also the app's.
func FuzzCookieOf(f *testing.F) {
	for _, line := range []string{
		"access_token=a.b-c_d", "a=b; access_token=x; access_token=y", "access_token =x; access_token=y", "access_token=; access_token=y",
		`access_token="quoted"; access_token=y`, "access_token=\"half; access_token=y", "access_token=a b", "access_token=x ; b", " ;;access_token=x=y=",
		"access_token", "Access_Token=x", "access_token=x\\y; access_token=z", "access_token=\tx", "access_token= x", "xaccess_token=1; access_tokenx=2",
		"access_token=" + strings.Repeat("x", maxToken), strings.Repeat("a=b;", 4000) + "access_token=x",
	} {
		f.Add(line, "access_token=second")
		f.Add("first", line)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		r := &http.Request{Header: http.Header{"Cookie": {a, b}}}
		if got, want := cookieOf(r, "access_token"), unusualCookieOf(r, "access_token"); got != want {
			t.Errorf("%q, want %q of %q and %q", got, want, a, b)
		}
	})
}

// What is kept of a credential is the last verdict on it, however long its user's name.
func TestVerdicts(t *testing.T) {
	boundedtest.NoPointers[shortVerdict](t)
	v, hash := newVerdicts(), hashOf(backend.Caller{Token: "token"})
	later, expires := uptime.At(time.Now().Add(time.Hour)), time.Now().Add(time.Minute).UnixMicro()
	for _, length := range []int{0, 1, shortName, shortName + 1, 255, 36, 0} {
		want := verdict{strings.Repeat("x", length), expires, later}
		v.add(hash, want)
		if got, ok := v.get(hash); !ok || got != want {
			t.Errorf("of %d bytes: %+v %v, want %+v", length, got, ok, want)
		}
		if n := v.short.Len() + v.long.Len(); n != 1 {
			t.Errorf("of %d bytes: %d verdicts on a credential", length, n)
		}
		if _, ok := v.get(hashOf(backend.Caller{Token: "token", Via: backend.Bearer})); ok {
			t.Error("another credential has the same verdict")
		}
	}
	for _, name := range []string{"alice", strings.Repeat("x", 255)} {
		for _, over := range []verdict{{name, expires, uptime.At(time.Now())}, {name, time.Now().UnixMicro(), later}} {
			v.add(hash, over)
			if got, ok := v.get(hash); ok || v.short.Len()+v.long.Len() > 0 {
				t.Errorf("%+v is believed for too long, or stays", got)
			}
		}
	}
}
