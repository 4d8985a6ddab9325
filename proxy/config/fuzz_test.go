package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// FuzzLoad looks for panics, for errors without a place, for secrets in errors, and for accepted configurations that break a
// rule between keys.
func FuzzLoad(f *testing.F) {
	f.Add("", "", "")
	f.Add("poll: {interval: 5s}\nauth:\n  algorithms: [HS256]\n  key: |\n    x\n", "60s", "")
	f.Add("store: {driver: sqlite, dsn: a.db}\n---\n? [a]\n: &x !t *y\n", "soon", "p@h:x/1?y=")
	f.Add("%YAML 1.2\n", "1s", "[")
	f.Fuzz(func(t *testing.T, content, ceiling, password string) {
		if strings.Contains(content, fileSuffix) { // would open any path
			t.Skip()
		}
		environ := []string{"SLUICE_POLL_CEILING=" + ceiling, "SLUICE_REDIS_URL=redis://:" + password + "Zk4n4ry@h"}
		path := write(t, "sluice.yaml", content)
		c, warnings, err := Load(path, environ)
		if strings.Contains(fmt.Sprint(c, warnings, err), "Zk4n4ry") && !strings.Contains(content+ceiling, "Zk4n4ry") {
			t.Errorf("the password shows: %v %v %v", c, warnings, err)
		}
		if err != nil {
			if place := strings.HasPrefix(err.Error(), path+":") || strings.HasPrefix(err.Error(), envPrefix); !place {
				t.Errorf("no place in %q", err)
			}
			if !reflect.DeepEqual(c, Config{}) {
				t.Errorf("a Config next to %v", err)
			}
			return
		}
		if c.Poll.Ceiling < c.Poll.Interval || c.Poll.LimitDefault > c.Poll.LimitMax || c.StalenessBound(false) < 0 || len(c.Auth.Algorithms) == 0 {
			t.Errorf("accepted %+v", c)
		}
	})
}
