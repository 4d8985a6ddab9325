package after

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// eventStream opens a stream, and reads its first line. Sluice-Client tells Sluice
// that this is no old page, which it would count for a day.
func (v *visit) eventStream(ctx context.Context, path string) (a answer, line string, took time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := v.open(ctx, path, v.Credentials, "Accept", "text/event-stream", "Sluice-Client", "check")
	if err != nil {
		return answer{err: err}, "", 0
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode == http.StatusOK && media(resp.Header) == "text/event-stream" {
		line, took, a.err = firstLine(ctx, resp.Body)
	}
	return a, line, took
}

// stream: the old one is gone, retired, or bridged for those who are left.
func (v *visit) stream(ctx context.Context) finding {
	if _, none := v.readable(); none != nil {
		return *none
	}
	a, line, _ := v.eventStream(ctx, "/api/stream")
	bridge := strings.HasPrefix(line, ": bridge")
	switch {
	case a.err != nil:
		return failed("look into the log of Sluice, or of the app", "%s", a.says())
	case a.status == http.StatusNoContent:
		return ok("retired: 204, at which an EventSource stops")
	case a.status == http.StatusNotFound || a.status == http.StatusGone:
		return ok("gone: %s", a.says())
	case bridge:
		return ok("bridged: old pages still get their notifications; retire it when there are none")
	case a.status == http.StatusOK && media(a.header) == "text/event-stream":
		return failed("setStream: bridge or retired; without Sluice, remove the route", "the app still holds a stream for each tab")
	}
	return failed("answer 204, or 404 once no old page is left: at anything else they ask again and again", "it answers %s", a.says())
}

// pipelines: the other stream goes on as it was.
func (v *visit) pipelines(ctx context.Context) finding {
	const path = "/api/pipelines/stream"
	if v.Pipeline == "" || len(v.Credentials) == 0 {
		a := v.ask(ctx, path, nil)
		return unknown("start a job, and name its stream with --pipeline "+path+"?job_id=…", "no job's stream is named; without a credential %s answers %s", path, a.says())
	}
	a, line, took := v.eventStream(ctx, v.Pipeline)
	switch {
	case a.err != nil:
		return failed("see what holds it up between the app and here: a proxy that buffers, a time limit", "%s: %s", v.Pipeline, a.says())
	case line == "":
		return failed("name the stream of a job that is under way", "%s answers %s, %q", v.Pipeline, a.says(), a.header.Get("Content-Type"))
	}
	return ok("it streams: the first line after %s", took.Round(time.Millisecond))
}
