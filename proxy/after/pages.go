package after

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"strings"

	"sluice/client"
)

// defaultScript is where Sluice serves the client.
const defaultScript = "/_sluice/client.js"

var (
	scriptTag = regexp.MustCompile(`<script[^>]+src\s*=\s*["']([^"']*/(?:client|eventsource)\.js)(?:\?[^"']*)?["']`)
	oldCode   = regexp.MustCompile(`new\s+EventSource\(\s*["'` + "`" + `]/api/stream`)
)

// look asks for the page once more for each point: it is small.
func (v *visit) look(ctx context.Context) (html string, none *finding) {
	var f finding
	switch {
	case v.Page == "":
		f = unknown("--page names the path of a page that shows notifications", "no page is named")
	case len(v.Credentials) == 0:
		f = unknown(needToken, "no credential")
	default:
		a := v.ask(ctx, v.Page, v.Credentials)
		if a.err != nil || a.status != http.StatusOK || media(a.header) != "text/html" {
			f = failed("name a page that this user may see", "%s answers %s, %s", v.Page, a.says(), media(a.header))
			break
		}
		return string(a.body), nil
	}
	return "", &f
}

// page: it has the client, and no EventSource any more.
func (v *visit) page(ctx context.Context) finding {
	html, none := v.look(ctx)
	if none != nil {
		return *none
	}
	tag := scriptTag.FindStringSubmatch(html)
	switch {
	case tag != nil && strings.HasSuffix(tag[1], "eventsource.js") && oldCode.MatchString(html):
		return ok("%s has its old code, and before it the drop-in %s, by which it polls", v.Page, tag[1])
	case oldCode.MatchString(html):
		return failed("put the client's script tag in place of the EventSource block", "%s opens an EventSource for /api/stream", v.Page)
	case tag != nil:
		return ok("%s has %s and no EventSource for /api/stream", v.Page, tag[1])
	}
	return unknown("see whether its bundle has sluice-client", "%s has no script tag of the client, and no EventSource for /api/stream", v.Page)
}

// script: what the page loads is there, and is the client.
func (v *visit) script(ctx context.Context) finding {
	path := defaultScript
	if html, none := v.look(ctx); none == nil {
		if tag := scriptTag.FindStringSubmatch(html); tag != nil && strings.HasPrefix(tag[1], "/") && !strings.HasPrefix(tag[1], "//") {
			path = tag[1]
		}
	}
	a := v.ask(ctx, path, nil)
	switch {
	case a.err != nil || a.status != http.StatusOK:
		return failed("serve it there: client.js of Sluice, or of the npm package sluice-client", "%s answers %s", path, a.says())
	case !strings.Contains(media(a.header), "javascript"):
		return failed("send it as text/javascript: browsers run nothing else", "%s is %q", path, a.header.Get("Content-Type"))
	case bytes.Equal(a.body, client.Script()):
		return ok("%s is sluice-client %s", path, client.Version())
	case bytes.Equal(a.body, client.DropIn()):
		return ok("%s is the drop-in of sluice-client %s", path, client.Version())
	case bytes.Contains(a.body, []byte("/api/notifications")):
		return unknown("compare its version with this program's", "%s polls, but is not sluice-client %s", path, client.Version())
	}
	return failed("serve client.js there, unchanged", "%s is another script", path)
}

// browser is a point that only a browser can show.
func browser(do string) func(*visit, context.Context) finding {
	return func(*visit, context.Context) finding {
		return unknown("in a browser: "+do, "only a browser shows it; the tests of sluice-client %s do", client.Version())
	}
}
