package shim

import (
	"errors"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// isPage reports whether a browser would show a response as an HTML document.
func isPage(h http.Header) bool {
	media, _, err := mime.ParseMediaType(joined(h, "Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return false
	}
	disposition, _, _ := strings.Cut(joined(h, "Content-Disposition"), ";")
	disposition = strings.ToLower(strings.TrimSpace(disposition))
	return media == "text/html" && (disposition == "" || disposition == "inline")
}

// refusal says what of a page's header forbids to change it, policies aside.
func refusal(resp *http.Response) Result {
	encoding := joined(resp.Header, "Content-Encoding")
	_, params, _ := mime.ParseMediaType(joined(resp.Header, "Content-Type"))
	switch {
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return Encoded
	case otherThanASCII.MatchString(params["charset"]):
		return Charset
	case hasItem(resp.Header, "Cache-Control", "public") || hasItem(resp.Header, "Cache-Control", "s-maxage") || speaksToCaches(resp.Header):
		return Shared
	case hasItem(resp.Header, "Cache-Control", "no-transform") || announces(resp.Trailer, digests):
		return Fixed
	}
	return NoPage
}

// otherThanASCII are the charsets in which the tag's bytes would mean something
// else. All others have ASCII in them, also those that browsers do not know.
var otherThanASCII = regexp.MustCompile(`(?i)^(utf-?(7|16|32)|ucs-|iso-10646|(cs)?unicode|(cs)?iso-?2022|hz-)`)

// speaksToCaches reports header fields that only shared caches obey, and before
// Cache-Control.
func speaksToCaches(h http.Header) bool {
	for name := range h {
		if strings.HasSuffix(name, "Cdn-Cache-Control") || name == "Surrogate-Control" || name == "X-Accel-Expires" {
			return true
		}
	}
	return false
}

// digests are the header fields that a change of the content makes wrong.
var digests = []string{"Content-Md5", "Digest", "Content-Digest", "Repr-Digest"}

func announces(trailer http.Header, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := trailer[name]; return ok })
}

// relabel makes a page's header that of the page with the tag: a version of its own,
// for this user alone, of which there are no parts. Without Last-Modified nobody can
// ask whether it has changed since, which the app would answer for its own page.
func relabel(h http.Header) {
	etag := marked(h.Get("Etag"))
	for _, name := range append([]string{"Etag", "Last-Modified", "Accept-Ranges"}, digests...) {
		h.Del(name)
	}
	if etag != "" {
		h.Set("Etag", etag)
	}
	if !hasItem(h, "Cache-Control", "private") && !hasItem(h, "Cache-Control", "no-store") {
		add(h, "Cache-Control", "private")
	}
	if !hasItem(h, "Vary", "cookie") && !hasItem(h, "Vary", "*") {
		add(h, "Vary", "Cookie") // another user of this browser may not be on poll
	}
}

// joined is a field's value when all its lines are taken as one.
func joined(h http.Header, name string) string { return strings.Join(h.Values(name), ", ") }

// add adds to a field that is a list. Some readers look at its first line only.
func add(h http.Header, name, item string) {
	if before := joined(h, name); before != "" {
		item = before + ", " + item
	}
	h.Set(name, item)
}

// hasItem reports whether a field that is a list has an item of this name. One that
// is private or no-store for some fields only (private="…") is another item.
func hasItem(h http.Header, name, item string) bool {
	for part := range strings.SplitSeq(joined(h, name), ",") {
		part = strings.TrimSpace(part)
		if key, value, _ := strings.Cut(part, "="); strings.EqualFold(key, item) && !strings.HasPrefix(value, `"`) {
			return true
		}
	}
	return false
}
