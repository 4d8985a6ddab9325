package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// user is somebody's browser: a cookie, connections of its own, and a cursor.
type user struct {
	name, cookie string
	base         string
	client       *http.Client
	cursor       string
	seen         []string // ids in the order of arrival
}

// cookieOf is the cookie of somebody who is signed in.
func cookieOf(name string) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"user_id": name, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte(key))
	if err != nil {
		panic(err) // of a map and a key
	}
	return "access_token=" + token
}

func (w *world) user(name string) *user {
	w.t.Helper()
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	return &user{name: name, cookie: cookieOf(name), base: w.url, client: &http.Client{Transport: transport, Timeout: time.Minute}}
}

func (w *world) users(n int) (all []*user) {
	for i := range n {
		all = append(all, w.user(fmt.Sprintf("user-%d", i)))
	}
	return all
}

// get asks and reads the whole answer.
func (u *user) get(t *testing.T, target string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.base+target, nil)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Cookie", u.cookie)
	resp, err := u.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// page is the answer to a poll.
type page struct {
	Notifications []struct{ ID, Text string }
	Cursor        string
	Reset         bool
}

// ask polls with any query; anything but 200 is an error.
func (u *user) ask(t *testing.T, query string) (p page, err error) {
	status, body, err := u.get(t, "/api/notifications?"+query)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", u.name, status, body)
	}
	if err == nil {
		err = json.Unmarshal([]byte(body), &p)
	}
	return p, err
}

// poll asks for what is new, and remembers it.
func (u *user) poll(t *testing.T) error {
	p, err := u.ask(t, "after_id="+url.QueryEscape(u.cursor))
	if err != nil {
		return err
	}
	if p.Cursor != "" {
		u.cursor = p.Cursor
	}
	for _, n := range p.Notifications {
		u.seen = append(u.seen, n.ID)
	}
	return nil
}
