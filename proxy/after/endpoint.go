package after

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	needToken = "put the header of a user who is signed in into SLUICE_CHECK_CREDENTIALS or the file of --credentials"
	broken    = "put the endpoint right first"
)

// readable says that the endpoint answered, which most points need.
func (v *visit) readable() (page, *finding) {
	if len(v.Credentials) == 0 {
		f := unknown(needToken, "no credential")
		return page{}, &f
	}
	p, wrong := v.first.page()
	if wrong != "" {
		f := unknown(broken, "the endpoint answers %s", wrong)
		return p, &f
	}
	return p, nil
}

// endpoint: it answers a user with the newest notifications, newest first, and no
// cache keeps that.
func (v *visit) endpoint(context.Context) finding {
	if len(v.Credentials) == 0 {
		return unknown(needToken, "no credential")
	}
	p, wrong := v.first.page()
	switch {
	case v.first.err == nil && (v.first.status == http.StatusUnauthorized || v.first.status == http.StatusForbidden):
		return failed("take a token that has not expired, of a user who may see notifications", "it refuses the token: %s", v.first.says())
	case wrong != "":
		return failed("look into the log of Sluice, or of the app: clients get no notifications", "it answers %s", wrong)
	case !strings.Contains(v.first.header.Get("Cache-Control"), "no-store"):
		return failed("send Cache-Control: no-store, or clients may be shown old answers", "Cache-Control is %q", v.first.header.Get("Cache-Control"))
	case len(*p.Notifications) > 2:
		return failed("obey limit", "limit=2 brought %d notifications", len(*p.Notifications))
	}
	return ok("200, newest first, not to be cached")
}

// resent is how far back Sluice repeats behind a bare id, and a second besides:
// what commits late must not be lost.
const resent = 31 * time.Second

// newer: after_id brings what is newer, and nothing that is older.
func (v *visit) newer(ctx context.Context) finding {
	p, none := v.readable()
	if none != nil {
		return *none
	}
	all := *p.Notifications
	if len(all) < 2 {
		return unknown("take a user who has two notifications", "this user has %d", len(all))
	}
	newest, second := all[0], all[1]
	newestAt, _ := newest.created()
	secondAt, _ := second.created()
	later, wrong := v.after(ctx, second.ID)
	nothing, wrongToo := v.after(ctx, newest.ID)
	const do = "after_id brings what came after it, not what came before"
	switch {
	case wrong != "" || wrongToo != "":
		return failed(do, "after_id of a notification: %s", wrong+wrongToo)
	case !later[newest.ID] && newestAt.Equal(secondAt):
		return unknown("check again when there is a newer one", "the newest two are of one second, in which the app's endpoint may lose one")
	case !later[newest.ID]:
		return failed(do, "after the newest but one, the newest does not come")
	case nothing[second.ID] && newestAt.Sub(secondAt) > resent:
		return failed(do, "after the newest, the one before it comes")
	}
	return ok("after the newest but one comes the newest, and after that nothing older")
}

// after asks for what comes after a place, by id.
func (v *visit) after(ctx context.Context, place string) (ids map[string]bool, wrong string) {
	p, wrong := v.ask(ctx, "/api/notifications?limit=100&after_id="+url.QueryEscape(place), v.Credentials).page()
	if wrong != "" {
		return nil, wrong
	}
	ids = map[string]bool{}
	for _, n := range *p.Notifications {
		ids[n.ID] = true
	}
	return ids, ""
}

// limits: what is too small or too large is clamped, what is no number refused.
func (v *visit) limits(ctx context.Context) finding {
	if _, none := v.readable(); none != nil {
		return *none
	}
	for _, limit := range []int{1, 0, -5, 100_000} {
		p, wrong := v.ask(ctx, fmt.Sprint("/api/notifications?limit=", limit), v.Credentials).page()
		if wrong != "" {
			return failed("clamp limit to 1..100", "limit=%d: %s", limit, wrong)
		}
		if n := len(*p.Notifications); n > min(max(limit, 1), 100) {
			return failed("clamp limit to 1..100", "limit=%d brought %d notifications", limit, n)
		}
	}
	if a := v.ask(ctx, "/api/notifications?limit=many", v.Credentials); a.err != nil || a.status != http.StatusUnprocessableEntity {
		return failed("answer 422 to a limit that is no number", "limit=many: %s", a.says())
	}
	return ok("clamped to 1..100; what is no number is 422")
}

// unauthorized: without a credential it is 401, at which clients stop.
func (v *visit) unauthorized(ctx context.Context) finding {
	a := v.ask(ctx, "/api/notifications?limit=1", nil)
	if a.err != nil || a.status != http.StatusUnauthorized {
		return failed("answer 401 to who is not signed in: at everything else clients ask again and again", "without a credential: %s", a.says())
	}
	return ok("401 without a credential")
}

// stateless: no poll leaves anything behind, in the browser or in a session.
func (v *visit) stateless(ctx context.Context) finding {
	p, none := v.readable()
	if none != nil {
		return *none
	}
	const do = "take session and cookies out of the way of a notification: what a client has seen is its own affair"
	if v.first.header.Get("Set-Cookie") != "" {
		return failed(do, "a poll sets a cookie")
	}
	again := v.ask(ctx, "/api/notifications?limit=2", v.Credentials)
	q, wrong := again.page()
	switch {
	case wrong != "" || again.header.Get("Set-Cookie") != "":
		return failed(do, "the same poll again: %s", wrong+again.header.Get("Set-Cookie"))
	case len(*p.Notifications) > 0 && (len(*q.Notifications) == 0 || newestFirst((*p.Notifications)[0], (*q.Notifications)[0]) < 0):
		return failed(do, "the same poll brings something else the second time: the server has noted the first")
	}
	return ok("no cookie is set, and the same poll brings the same again")
}
