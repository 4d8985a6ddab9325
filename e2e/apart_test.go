package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Whatever place a user names, and however many ask at once, nobody is ever shown
// anything of anybody else.
func TestUsersAreApart(t *testing.T) {
	for name, environ := range map[string][]string{
		"from the database":           {"SLUICE_CACHE_STALENESS_BOUND=1m"},
		"from the database, uncached": {"SLUICE_CACHE_STALENESS_BOUND=0"},
		"from the app":                {"SLUICE_CACHE_STALENESS_BOUND=1m", "SLUICE_STORE_DRIVER=upstream", "SLUICE_STORE_DSN="},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, environ...)
			all := w.users(5)
			places := []string{"0", "", "nonsense"}
			for _, u := range all {
				places = append(places, w.insert(u.name, "for "+u.name), w.insert(u.name, "for "+u.name))
				if err := u.poll(t); err != nil {
					t.Fatal(err)
				}
				places = append(places, u.cursor)
			}
			var asking sync.WaitGroup
			for _, u := range all {
				asking.Go(func() { everyPlace(t, u, places) })
			}
			asking.Wait()
		})
	}
}

func everyPlace(t *testing.T, u *user, places []string) {
	for range 3 {
		for _, place := range places {
			for _, query := range []string{"after_id=", "before_id="} {
				p, err := u.ask(t, query+url.QueryEscape(place))
				if err != nil {
					t.Error(err)
					return
				}
				for _, n := range p.Notifications {
					if n.Text != "for "+u.name {
						t.Errorf("%s%s shows %s %q", query, place, u.name, n.Text)
					}
				}
			}
		}
	}
}

// A cookie that is not good is nobody's, whosever place it names.
func TestBadCookies(t *testing.T) {
	w := newWorld(t)
	alice := w.user("alice")
	w.insert("alice", "a secret")
	if err := alice.poll(t); err != nil {
		t.Fatal(err)
	}
	good := alice.cookie
	for name, cookie := range map[string]string{
		"none":         "",
		"cut short":    good[:len(good)-1],
		"no signature": good[:strings.LastIndex(good, ".")+1],
		"another user": "access_token=" + strings.Replace(strings.TrimPrefix(good, "access_token="), ".", ".e30", 1),
		"nonsense":     "access_token=x",
	} {
		alice.cookie = cookie
		for _, target := range []string{"/api/notifications", "/api/notifications?after_id=" + alice.cursor, "/api/stream", "/api/stream?last_event_id=" + alice.cursor} {
			status, body, err := alice.get(t, target)
			if err != nil || status != http.StatusUnauthorized || strings.Contains(body, "secret") {
				t.Errorf("%s, %s: %d %s %v", name, target, status, body, err)
			}
		}
	}
	alice.cookie = good
	if p, err := alice.ask(t, fmt.Sprint("limit=", 1)); err != nil || len(p.Notifications) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}
