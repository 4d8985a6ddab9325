package shim

import (
	"net/http"
	"strings"
)

// Wanted reports whether a request may be answered with a page that a browser
// opens: a document of its own, and not what a script fetches to put it into a
// living page. HEAD is left alone, and so is what belongs to the app's API.
func Wanted(r *http.Request) bool {
	return r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, "/api/") && !strings.HasPrefix(r.URL.Path, "/_sluice/") &&
		strings.Contains(strings.ToLower(strings.Join(r.Header["Accept"], ",")), "text/html") && !byScript(r.Header)
}

// byScript goes by what browsers say of a fetch (over https, and to localhost), and
// by what htmx and older libraries say of theirs.
func byScript(h http.Header) bool {
	switch h.Get("Sec-Fetch-Dest") {
	case "", "document", "iframe", "frame":
	default:
		return true
	}
	mode := h.Get("Sec-Fetch-Mode")
	return mode != "" && mode != "navigate" || h.Get("Hx-Request") != "" || h.Get("X-Requested-With") != ""
}

// Ask changes the header of a request for a page: the app is asked for all of it
// and uncompressed, unless the browser has a copy with the tag that is still right.
// A copy without the tag, which the browser kept from before, must not be confirmed.
func Ask(h http.Header) {
	h.Set("Accept-Encoding", "identity") // without the field, any would be welcome
	known := restored(h["If-None-Match"])
	for _, name := range []string{"Range", "If-Range", "If-Modified-Since", "If-None-Match"} {
		h.Del(name)
	}
	if len(known) > 0 {
		h.Set("If-None-Match", strings.Join(known, ", "))
	}
}
