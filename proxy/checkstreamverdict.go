package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	// late is from when on a header or a byte that was sent at once was held back: no
	// network takes so long.
	late = 2 * time.Second
	// together is how close to each other things arrive that were held back until then.
	together = 500 * time.Millisecond
)

// streamVerdict is what a look at a stream shows.
type streamVerdict struct {
	seen   []string // what came, for each address
	held   []string // signs that bytes are held back on the way
	broken []string // why there is no stream to look at, or why it is over too soon
	advice []string
}

// judgeStream compares a stream with the gateway's own, if that was looked at too.
// heartbeat is the longest silence on it.
func judgeStream(public streamTrace, direct []streamTrace, heartbeat time.Duration) streamVerdict {
	v := streamVerdict{seen: []string{public.summary("public")}}
	near := streamTrace{} // the best there can be
	for _, d := range direct {
		v.seen = append(v.seen, d.summary("direct"))
		if !d.answered() || len(d.signs(streamTrace{}, heartbeat)) > 0 {
			v.broken = append(v.broken, "the gateway's own address has no stream that would do to compare: "+d.trouble())
			return v
		}
		near = d
	}
	silent := public.err != nil && public.left
	switch {
	case silent:
		v.held = []string{fmt.Sprintf("nothing came for %s, not even a header", brief(public.lasted))}
	case !public.answered():
		v.broken = []string{public.trouble()}
		return v
	default:
		v.held = public.signs(near, heartbeat)
	}
	if public.err != nil && !silent {
		v.broken = append(v.broken, fmt.Sprintf("the stream broke off after %s: %v", brief(public.lasted), public.err))
		v.advice = append(v.advice, "Raise the time-outs for this path above five minutes wherever the stream passes, such as nginx's proxy_read_timeout; heartbeats come every "+brief(heartbeat)+".")
	}
	if len(v.held) > 0 {
		v.advice = append(v.advice, unbuffer(public.header)...)
	}
	return v
}

// trouble is why there is no stream.
func (t streamTrace) trouble() string {
	switch {
	case t.err != nil && t.left:
		return "no answer in " + brief(t.lasted)
	case t.err != nil:
		return t.err.Error()
	case t.code == http.StatusUnauthorized || t.code == http.StatusForbidden:
		return t.status + ": sign in with --credentials or " + credentialsVariable
	case t.code == http.StatusNoContent:
		return t.status + ": the stream is retired for this user"
	case t.code != http.StatusOK:
		return strings.TrimSpace(t.status + " " + t.header.Get("Location"))
	case !t.answered():
		return fmt.Sprintf("the answer is %q, no text/event-stream: is this the address of the stream?", t.header.Get("Content-Type"))
	}
	return "it is held back there as well"
}

// signs are what shows that bytes were held back.
func (t streamTrace) signs(near streamTrace, heartbeat time.Duration) (signs []string) {
	sign := func(format string, args ...any) { signs = append(signs, fmt.Sprintf(format, args...)) }
	if t.headerAt > near.headerAt+late {
		sign("the header came after %s%s", brief(t.headerAt), near.directly(brief(near.headerAt)))
	}
	first, last := t.firstByte(), t.lasted
	switch {
	case len(t.reads) == 0:
		sign("no byte came in %s", brief(t.lasted))
		return signs
	case first > max(near.firstByte(), t.headerAt)+late && (near.answered() || first > heartbeat+late):
		sign("the first byte came after %s%s", brief(first), near.directly(brief(near.firstByte())))
	}
	if !t.left && last > 2*late && last-first < together {
		sign("everything came with the end, after %s", brief(last))
	}
	if n, at := t.clump(); n > 1 {
		sign("%d heartbeats arrived together, after %s", n, brief(at))
	}
	if gap, at := t.silence(); gap > heartbeat+late {
		sign("nothing came for %s after %s, though there is a heartbeat every %s", brief(gap), brief(at), brief(heartbeat))
	}
	if encoding := t.header.Get("Content-Encoding"); encoding != "" && len(signs) > 0 {
		sign("it is compressed (%s), which collects bytes until they are worth it", encoding)
	}
	return signs
}

func (t streamTrace) directly(what string) string {
	if !t.answered() {
		return ""
	}
	return ", directly after " + what
}

func (t streamTrace) firstByte() time.Duration {
	if len(t.reads) == 0 {
		return t.lasted
	}
	return t.reads[0].at
}

// clump is the most heartbeats that arrived at once, and when.
func (t streamTrace) clump() (most int, at time.Duration) {
	for i, begin := range t.beats {
		n := 0
		for _, b := range t.beats[i:] {
			if b-begin < together {
				n++
			}
		}
		if n > most {
			most, at = n, begin
		}
	}
	return most, at
}

// silence is the longest time without a byte, and when it began.
func (t streamTrace) silence() (longest, at time.Duration) {
	times := []time.Duration{t.headerAt}
	for _, r := range t.reads {
		times = append(times, r.at)
	}
	for i, from := range times {
		to := t.lasted
		if i+1 < len(times) {
			to = times[i+1]
		}
		if to-from > longest {
			longest, at = to-from, from
		}
	}
	return longest, at
}

func (t streamTrace) summary(name string) string {
	line := fmt.Sprintf("%-8s %s\n         ", name, t.address)
	if !t.answered() {
		return line + t.trouble()
	}
	total := 0
	for _, r := range t.reads {
		total += r.bytes
	}
	end := "ended"
	if t.left {
		end = "still open"
	} else if t.err != nil {
		end = "broke off"
	}
	line += fmt.Sprintf("%s, header after %s, first byte after %s, %d bytes in %d reads, %s after %s", t.proto, brief(t.headerAt), brief(t.firstByte()), total, len(t.reads), end, brief(t.lasted))
	if len(t.beats) > 0 {
		var at []string
		for _, b := range t.beats {
			at = append(at, brief(b))
		}
		line += "; heartbeats after " + strings.Join(at, ", ")
	}
	return line
}

// remedies say, by what a header tells of the way, what ends the buffering.
var remedies = []struct{ header, word, advice string }{
	{"Content-Encoding", "", "Do not compress text/event-stream: in nginx leave it out of gzip_types, in Apache set no-gzip for the path, and exclude it at the CDN."},
	{"Server", "nginx", "nginx: proxy_buffering off for this path. Sluice asks for it with X-Accel-Buffering: no, unless proxy_ignore_headers names that; also proxy_http_version 1.1 and no proxy_cache."},
	{"Server", "apache", "Apache: flushpackets=on in ProxyPass, and SetEnv no-gzip 1 for this path."},
	{"Server", "cloudflare", "Cloudflare: no cache and no compression rule for this path; Sluice sends no-transform."},
	{"Server", "envoy", "Envoy: no buffer filter and no compressor on this route."},
	{"Via", "varnish", "Varnish: set beresp.do_stream = true and return (pipe) or (pass) for this path."},
	{"Via", "cloudfront", "CloudFront: the CachingDisabled policy for this path, and no compression."},
	{"X-Cache", "", "A cache is on the way (X-Cache): let this path pass it."},
}

// unbuffer is the advice for what is known of the way.
func unbuffer(h http.Header) (advice []string) {
	for _, r := range remedies {
		if value := strings.ToLower(h.Get(r.header)); value != "" && strings.Contains(value, r.word) {
			advice = append(advice, r.advice)
		}
	}
	if len(advice) == 0 {
		advice = []string{"Switch response buffering and compression off for this path in whatever stands before the gateway: nginx proxy_buffering off, Apache flushpackets=on, HAProxy without http-buffer-response, a CDN without cache."}
	}
	return advice
}

// text is the verdict for people.
func (v streamVerdict) text() string {
	lines := slices.Clone(v.seen)
	add := func(label string, what []string) {
		for _, w := range what {
			lines = append(lines, fmt.Sprintf("%-8s %s", label, w))
		}
	}
	add("held", v.held)
	add("broken", v.broken)
	add("advice", v.advice)
	if len(v.held)+len(v.broken) == 0 {
		add("ok", []string{"nothing holds the stream back"})
	}
	return strings.Join(lines, "\n") + "\n"
}

func (v streamVerdict) err() error {
	switch {
	case len(v.held) > 0:
		return errors.New("the stream is held back between the gateway and its public address")
	case len(v.broken) > 0:
		return errors.New("the stream could not be looked at to its end")
	}
	return nil
}

// brief is a time in seconds, to what matters.
func brief(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
