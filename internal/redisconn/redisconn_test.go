package redisconn

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestForms(t *testing.T) {
	for address, want := range map[string][]string{
		"redis://h:1/2":           {"h:1"},
		"redis://user:secret@h:1": {"h:1"},
		"rediss://h":              {"h:6379"},
		"unix:///run/redis.sock":  {"/run/redis.sock"},
		"redis://h:1?master_name=m&addr=g:2&addr=%5B::1%5D:3": {"h:1", "g:2", "[::1]:3"},
		"redis://h:1?cluster=true&addr=g:2":                   {"h:1", "g:2"},
		"redis://h:1?cluster=true":                            {"h:1"},
	} {
		o, err := parse(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if diff := cmp.Diff(want, o.Addrs); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
		if secure := strings.HasPrefix(address, "rediss"); secure != (o.TLSConfig != nil) {
			t.Errorf("%s: TLS %v", address, o.TLSConfig != nil)
		}
		client, err := Open(address, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	o, err := parse("redis://user:secret@h:1/3?master_name=m&sentinel_username=s&sentinel_password=p")
	if err != nil || o.Username != "user" || o.Password != "secret" || o.DB != 3 || o.MasterName != "m" || o.SentinelUsername != "s" || o.SentinelPassword != "p" {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"":                                       "is not an address",
		"http://h":                               "is not an address",
		"redis://:hunter2@h:port":                "is not an address",
		"redis://a,b":                            "is not an address",
		"redis://h:1/x":                          "is not an address",
		"redis://h:1?addr=g:2":                   "several servers need",
		"redis://h:1?addr=g&cluster=true":        "addr: is not host:port",
		"redis://h:1?master_name=m&cluster=true": "only one",
		"redis://h:1?master_name=m&master_name=n": "more than once",
		"redis://h:1?cluster=false":               "want true",
		"redis://h:1/1?cluster=true":              "only database 0",
		"redis://h:1?read_only=hunter2":           "unknown parameter",
		"unix:///s?cluster=true":                  "a single server",
	} {
		err := Check(address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
}
