package after

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// fromAdmin gets something from the admin listener.
func (v *visit) fromAdmin(ctx context.Context, path string) ([]byte, int, error) {
	if v.Admin == "" {
		return nil, 0, errors.New("no admin listener is named")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.Admin+path, nil)
	if err != nil {
		return nil, 0, err
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largest))
	return body, resp.StatusCode, err
}

// scrape reads the gateway's metrics.
func (v *visit) scrape(ctx context.Context) {
	body, status, err := v.fromAdmin(ctx, "/metrics")
	switch {
	case err != nil:
		v.noAdmin = err.Error()
		return
	case status != http.StatusOK:
		v.noAdmin = fmt.Sprintf("%s/metrics answers %d", v.Admin, status)
		return
	}
	v.series = map[string]float64{}
	for s := bufio.NewScanner(strings.NewReader(string(body))); s.Scan(); {
		i := strings.LastIndexByte(s.Text(), ' ')
		if i < 0 || strings.HasPrefix(s.Text(), "#") {
			continue
		}
		if value, err := strconv.ParseFloat(s.Text()[i+1:], 64); err == nil {
			v.series[s.Text()[:i]] = value
		}
	}
	if _, known := v.series["sluice_compat_legacy_clients"]; !known {
		v.noAdmin = v.Admin + " has no metrics of Sluice"
	}
}

// sum adds up the series whose name and labels contain all parts.
func (v *visit) sum(parts ...string) (total float64) {
series:
	for name, value := range v.series {
		for _, p := range parts {
			if !strings.Contains(name, p) {
				continue series
			}
		}
		total += value
	}
	return total
}

// counted says why nothing is known of the gateway's counters.
func (v *visit) counted(without string) *finding {
	if v.noAdmin == "" {
		return nil
	}
	f := unknown(without+"; while Sluice is there, --admin names the admin listener of a gateway", "no metrics of Sluice: %s", v.noAdmin)
	return &f
}

// polling: browsers with the new client or the drop-in poll.
func (v *visit) polling(context.Context) finding {
	if none := v.counted("look for GET /api/notifications in the app's log"); none != nil {
		return *none
	}
	polls := v.sum("sluice_polls_total{", `client="sluice"`) + v.sum("sluice_polls_total{", `client="drop-in"`)
	if polls == 0 {
		return unknown("open the app in a browser, and check again", "no browser has polled since this gateway was started")
	}
	return ok("%.0f polls by browsers since this gateway was started", polls)
}

// everybody: the rollout is over, and with it the flag. Where there is none, the
// user whose token it is stands for the others.
func (v *visit) everybody(ctx context.Context) finding {
	var rollout struct {
		Phase    string
		Weight   int
		Disabled []string
	}
	if !v.sluice {
		return ok("Sluice is out: there is nothing else")
	}
	body, status, err := v.fromAdmin(ctx, "/rollout")
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &rollout) != nil {
		if v.transport == "sse" {
			return failed("raise the weight of poll in the flag file to 100", "this user is on sse")
		}
		return unknown("see that the flag file's weight of poll is 100; --admin names the admin listener of a gateway that has a rollout", "no rollout to ask; this user is on %s", cmp.Or(v.transport, "an unknown side"))
	}
	switch {
	case len(rollout.Disabled) > 0:
		return failed("enable it again", "the flag %s is disabled in the flag file", rollout.Disabled[0])
	case rollout.Weight < 100:
		return failed("sluice rollout status says what it waits for", "the rollout is %s at weight %d", rollout.Phase, rollout.Weight)
	}
	return ok("the rollout is %s at weight 100", rollout.Phase)
}

// oldPages: nobody has been on the old stream for a day.
func (v *visit) oldPages(context.Context) finding {
	if none := v.counted("look for GET /api/stream in the app's log of a day"); none != nil {
		return *none
	}
	switch users := v.series["sluice_compat_legacy_clients"]; {
	case math.IsNaN(users):
		return unknown("put Redis right", "the gateway cannot tell: Redis does not answer")
	case users > 0:
		return failed("wait; compat.say_farewell, and a rollout that waits to retire the stream, ask them to reload", "about %.0f users had an old page open in the last 24 hours", users)
	}
	return ok("no user had an old page open in the last 24 hours")
}

// openStreams: none is held any more.
func (v *visit) openStreams(context.Context) finding {
	if none := v.counted("count the app's open connections for /api/stream"); none != nil {
		return *none
	}
	if n := v.series["sluice_compat_streams"]; n > 0 {
		return failed("they end within five minutes of the stream's retirement", "this gateway holds %.0f notification streams", n)
	}
	return ok("this gateway holds no notification stream")
}

// errorShare is how much may fail, of all reads: the limit of poll-success-ratio.
const errorShare = 0.001

// errors: reads of the app's data succeed, and the cache hides nothing.
func (v *visit) errors(context.Context) finding {
	if none := v.counted("look for errors in the app's log"); none != nil {
		return *none
	}
	const reads = "sluice_source_requests_total{"
	total := v.sum(reads)
	bad := v.sum(reads, `"bad_answer"`) + v.sum(reads, `"unavailable"`) + v.sum(reads, `"too_late"`)
	switch hidden := v.series["sluice_cache_false_empty_total"]; {
	case hidden > 0:
		return failed("set cache.staleness_bound: 0, and report it", "the cache has hidden an item %.0f times", hidden)
	case bad > errorShare*total:
		return failed("look for them in the log of Sluice, and then of the app; a restart begins to count anew", "%.0f of %.0f reads of the app's data have failed since this gateway was started", bad, total)
	}
	return ok("%.0f of %.0f reads of the app's data have failed since this gateway was started", bad, total)
}
