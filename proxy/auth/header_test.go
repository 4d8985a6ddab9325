package auth

import (
	"errors"
	"net/http"
	"net/netip"
	"testing"
)

const shared = "0123456789abcdef"

func believing() *Header {
	return NewHeader(HeaderOptions{Name: "x-user-id", Secret: []byte(shared), Proxies: Peers{
		netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8"),
	}})
}

// from is a request as it comes from an address, with these header lines.
func from(addr string, header http.Header) *http.Request {
	return &http.Request{RemoteAddr: addr, Header: header}
}

func TestHeader(t *testing.T) {
	good := http.Header{"X-User-Id": {"alice"}, "Sluice-Secret": {shared}}
	for name, c := range map[string]struct {
		request *http.Request
		user    string
	}{
		"a trusted proxy":          {from("10.1.2.3:4", good), "alice"},
		"over IPv6":                {from("[fd00::1]:4", good), "alice"},
		"over IPv6, with a zone":   {from("[fd00::1%eth0]:4", good), "alice"},
		"IPv4 as IPv6":             {from("[::ffff:10.1.2.3]:4", good), "alice"},
		"another address":          {from("10.2.0.1:4", good), ""},
		"no address":               {from("@", good), ""},
		"no secret":                {from("10.1.2.3:4", http.Header{"X-User-Id": {"alice"}}), ""},
		"another secret":           {from("10.1.2.3:4", http.Header{"X-User-Id": {"alice"}, "Sluice-Secret": {"0123456789abcdeF"}}), ""},
		"the secret and more":      {from("10.1.2.3:4", http.Header{"X-User-Id": {"alice"}, "Sluice-Secret": {shared + "x"}}), ""},
		"given twice":              {from("10.1.2.3:4", http.Header{"X-User-Id": {"alice", "bob"}, "Sluice-Secret": {shared}}), ""},
		"empty":                    {from("10.1.2.3:4", http.Header{"X-User-Id": {""}, "Sluice-Secret": {shared}}), ""},
		"another spelling":         {from("10.1.2.3:4", http.Header{"X_user_id": {"alice"}, "Sluice-Secret": {shared}}), ""},
		"a good user and an alias": {from("10.1.2.3:4", http.Header{"X-User-Id": {"alice"}, "X_user_id": {"bob"}, "Sluice-Secret": {shared}}), "alice"},
	} {
		id, err := believing().Authenticate(c.request)
		if id.User != c.user || (err == nil) != (c.user != "") {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	if _, err := believing().Authenticate(from("10.1.2.3:4", http.Header{})); !errors.Is(err, ErrMissing) {
		t.Errorf("no header: %v", err)
	}
}

func TestHeaderWithoutASecretBelievesNobody(t *testing.T) {
	h := NewHeader(HeaderOptions{Name: "X-User-Id", Proxies: Peers{netip.MustParsePrefix("10.0.0.0/8")}})
	if id, err := h.Authenticate(from("10.1.2.3:4", http.Header{"X-User-Id": {"alice"}})); err == nil {
		t.Errorf("taken for %s", id.User)
	}
}

func TestTheSecretChangesWithoutARestart(t *testing.T) {
	h := believing()
	r := from("10.1.2.3:4", http.Header{"X-User-Id": {"alice"}, "Sluice-Secret": {shared}})
	h.SetSecret([]byte("another secret"))
	if _, err := h.Authenticate(r); err == nil {
		t.Error("the old secret still counts")
	}
	r.Header.Set(SecretHeader, "another secret")
	if _, err := h.Authenticate(r); err != nil {
		t.Errorf("the new one does not: %v", err)
	}
}

// The app trusts what comes from Sluice, so nobody else may send it.
func TestHeaderIsCleaned(t *testing.T) {
	all := func(secret string) http.Header {
		return http.Header{
			"X-User-Id": {"alice"}, "X_user_id": {"bob"}, "X-User_id": {"bob"}, "x-user-ID": {"bob"},
			"Sluice-Secret": {secret}, "Sluice_secret": {secret}, "X-User-Ids": {"kept"}, "Cookie": {"kept"},
		}
	}
	for name, c := range map[string]struct {
		request *http.Request
		user    string
	}{
		"a trusted proxy": {from("10.1.2.3:4", all(shared)), "alice"},
		"a client":        {from("192.0.2.1:4", all(shared)), ""},
		"another secret":  {from("10.1.2.3:4", all("x")), ""},
	} {
		out := c.request.Header.Clone()
		believing().Clean(c.request, out)
		if out.Get("X-User-Id") != c.user || out.Get("X-User-Ids") != "kept" || out.Get("Cookie") != "kept" {
			t.Errorf("%s: the app is sent %v", name, out)
		}
		for name := range out {
			if a := Alike(name); (a == "x-user-id" && name != "X-User-Id") || a == "sluice-secret" {
				t.Errorf("the app is sent %s", name)
			}
		}
	}
}
