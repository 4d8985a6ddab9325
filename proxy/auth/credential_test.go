package auth

import (
	"net/http"
	"strings"
	"testing"
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
