package shim

import (
	"fmt"
	"hash/crc32"
	"strings"
)

// A page with the tag has an entity tag of its own, from which the app's can be
// told: W/"sluice-5f3c0a1e-s-abc" for "abc", and -w- for W/"abc". It is weak, since
// the same page may come with another nonce; then nobody asks for a part of it
// either. Copies with another tag than today's, from an older Sluice, are not known.
var mark = fmt.Sprintf("sluice-%08x-", crc32.ChecksumIEEE([]byte(tag(""))))

// marked is our form of the app's entity tag, or "" if that is none.
func marked(etag string) string {
	strength := "s-"
	if rest, weak := strings.CutPrefix(etag, "W/"); weak {
		etag, strength = rest, "w-"
	}
	opaque, rest, ok := quoted(etag)
	if !ok || rest != "" {
		return ""
	}
	return `W/"` + mark + strength + opaque + `"`
}

// restored are the app's entity tags behind those of If-None-Match that are ours.
func restored(ifNoneMatch []string) (known []string) {
	for rest := strings.Join(ifNoneMatch, ","); ; {
		opaque, behind, ok := quoted(strings.TrimPrefix(strings.TrimLeft(rest, ", \t"), "W/"))
		if !ok {
			return known
		}
		rest = behind
		if own, ours := strings.CutPrefix(opaque, mark); !ours {
			continue
		} else if etag, strong := strings.CutPrefix(own, "s-"); strong {
			known = append(known, `"`+etag+`"`)
		} else if etag, weak := strings.CutPrefix(own, "w-"); weak {
			known = append(known, `W/"`+etag+`"`)
		}
	}
}

// quoted cuts a text in quotes off the beginning of another.
func quoted(text string) (inside, rest string, ok bool) {
	if text, ok = strings.CutPrefix(text, `"`); ok {
		inside, rest, ok = strings.Cut(text, `"`)
	}
	return inside, rest, ok
}
