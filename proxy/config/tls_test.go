package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/servertest"
)

type pair struct{ cert, key string }

func newPair(name string, lasts time.Duration) pair {
	cert, key := servertest.Certificate(name, lasts)
	return pair{strings.TrimSpace(string(cert)), strings.TrimSpace(string(key))}
}

var pairA, pairB = newPair("a.example", 90*24*time.Hour), newPair("b.example", 90*24*time.Hour)

func TestCertificatesAreChecked(t *testing.T) {
	expired, soon := newPair("c.example", -time.Hour), newPair("d.example", 13*24*time.Hour)
	for name, test := range map[string]struct{ cert, key, want string }{
		"good":                   {pairA.cert, pairA.key, ""},
		"both from one file":     {pairA.cert + "\n" + pairA.key, pairA.key + "\n" + pairA.cert, ""},
		"of two pairs":           {pairA.cert, pairB.key, "SLUICE_TLS_CERT: tls.cert: tls: private key does not match public key; "},
		"only one":               {pairA.cert, "", "SLUICE_TLS_CERT: tls.cert: tls.cert and tls.key belong together; one of them is empty"},
		"only the other":         {"", pairA.key, "SLUICE_TLS_KEY: tls.key: tls.cert and tls.key belong together; one of them is empty"},
		"the name of a file":     {"/etc/tls/site.pem", pairA.key, "goes into tls.cert_file or tls.key_file"},
		"the wrong way round":    {pairA.key, pairA.cert, "SLUICE_TLS_CERT: tls.cert: tls: "},
		"half of a key":          {pairA.cert, pairA.key[:len(pairA.key)/2], "SLUICE_TLS_CERT: tls.cert: tls: "},
		"it has expired":         {expired.cert, expired.key, "SLUICE_TLS_CERT: tls.cert: has expired at 2"},
		"it expires in 13 days":  {soon.cert, soon.key, "SLUICE_TLS_CERT: tls.cert: expires at 2"},
		"neither one nor other ": {"", "", ""},
	} {
		_, warnings, got := load(t, "", "SLUICE_TLS_CERT="+test.cert, "SLUICE_TLS_KEY="+test.key)
		got += strings.Join(warnings, "")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if key := strings.Split(test.key, "\n"); len(key) > 1 && strings.Contains(got, key[1]) {
			t.Errorf("%s: shows the key: %s", name, got)
		}
	}
}

// A listener that speaks one thing cannot begin to speak another.
func TestOnlyAnotherCertificateIsReloaded(t *testing.T) {
	with := func(p pair) Config { return mustLoad(t, "", "SLUICE_TLS_CERT="+p.cert, "SLUICE_TLS_KEY="+p.key) }
	keys := []string{"tls.cert", "tls.key"}
	if hot, cold := Changes(with(pairA), with(pairB)); !slices.Equal(hot, keys) || cold != nil {
		t.Errorf("another: %v, %v", hot, cold)
	}
	if got := Reload(with(pairA), with(pairB)).TLS.Cert.Value(); got != pairB.cert {
		t.Error("another is not taken over")
	}
	for _, step := range [][2]pair{{{}, pairA}, {pairA, {}}} {
		from, to := with(step[0]), with(step[1])
		if hot, cold := Changes(from, to); hot != nil || !slices.Equal(cold, keys) {
			t.Errorf("the first, or none: %v, %v", hot, cold)
		}
		if got := Reload(from, to); got.TLS.Cert.Value() != step[0].cert {
			t.Error("the first, or none, is taken over")
		}
	}
}
