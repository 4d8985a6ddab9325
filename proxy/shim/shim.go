// Package shim puts a script tag directly after <head> into the app's pages: the
// drop-in that makes EventSource poll, so that old pages need no edit. There it
// runs before any script of the page.
//
// [Wanted] tells requests for pages from all others, [Ask] changes what the app
// is asked, and [Inject] changes its answer, or says why not. Whatever they do not
// understand passes untouched: such a page is merely on the stream, as before.
package shim

import (
	"fmt"
	"net/http"
)

// Script is the path of the script.
const Script = "/_sluice/eventsource.js"

// Result is what became of a page.
type Result string

// The results. A response that is no page has none.
const (
	NoPage    Result = ""
	Injected  Result = "injected"
	Unchanged Result = "not_modified" // 304: the browser's copy has the tag
	CSP       Result = "csp"          // a policy would not let the script run, or poll
	Encoded   Result = "encoded"      // compressed, though that was not asked for
	Charset   Result = "charset"      // not a superset of ASCII
	Shared    Result = "shared"       // meant for caches that serve many users
	Fixed     Result = "fixed"        // must not be changed: no-transform, or a digest follows the body
	NoHead    Result = "no_head"      // no <head> where a document begins
	Late      Result = "late"         // the app paused before <head>
)

// Results lists all of them.
var Results = []Result{Injected, Unchanged, CSP, Encoded, Charset, Shared, Fixed, NoHead, Late}

// tag is what pages get. A nonce comes from a policy, and has no character that
// would need escaping.
func tag(nonce string) string {
	if nonce == "" {
		return `<script src="` + Script + `"></script>`
	}
	return `<script src="` + Script + `" nonce="` + nonce + `"></script>`
}

// Inject puts the tag into an answer to a request that was [Wanted], as [Ask] has
// changed it. It waits until the head has begun, but not for long.
func Inject(resp *http.Response) Result {
	switch {
	case resp.StatusCode == http.StatusNotModified && resp.Request.Header.Get("If-None-Match") != "":
		relabel(resp.Header)
		resp.Header.Del("Content-Length")
		return Unchanged
	case resp.StatusCode != http.StatusOK || !isPage(resp.Header):
		return NoPage
	}
	if why := refusal(resp); why != NoPage {
		return why
	}
	nonce, ok := permit(resp.Header, places(resp.Request))
	if !ok {
		return CSP
	}
	page := readAhead(resp.Body)
	resp.Body = page
	at, result := page.head()
	if result == Injected {
		text := tag(nonce)
		page.insert(at, text)
		lengthen(resp, len(text))
		relabel(resp.Header)
	}
	return result
}

func lengthen(resp *http.Response, by int) {
	if resp.ContentLength >= 0 {
		resp.ContentLength += int64(by)
		resp.Header.Set("Content-Length", fmt.Sprint(resp.ContentLength))
	}
}
