package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"sluice/proxy/after"
	"sluice/proxy/config"
)

// afterFlags are those of `sluice check --after`.
type afterFlags struct {
	After    bool   `help:"Go through what must hold after the migration, against a live deployment."`
	URL      string `name:"url" placeholder:"URL" help:"Public address. Without it: listen of the configuration."`
	Admin    string `placeholder:"URL" help:"Admin listener of any gateway. Without it: admin.listen of the configuration."`
	Page     string `placeholder:"PATH" help:"Page that shows notifications, such as /dashboard."`
	Pipeline string `placeholder:"PATH" help:"Stream of a job that is under way, such as /api/pipelines/stream?job_id=7."`
	Output   string `enum:"text,json" default:"text" help:"text or json."`
}

// run prints a line for each point, and fails if any does not hold.
func (k afterFlags) run(ctx context.Context, p Process, header http.Header, c config.Config) error {
	d, err := k.deployment(c, header)
	if err != nil {
		return err
	}
	r := after.Verify(ctx, d)
	if k.Output == "json" {
		err = printJSON(p.Stdout, r)
	} else {
		_, err = io.WriteString(p.Stdout, reportText(r))
	}
	if n := r.Count(after.Failed); err == nil && n > 0 {
		err = fmt.Errorf("%d of the above must be put right", n)
	}
	return err
}

// deployment is what the flags name.
func (k afterFlags) deployment(c config.Config, header http.Header) (d after.Deployment, err error) {
	d = after.Deployment{Credentials: header, Page: k.Page, Pipeline: k.Pipeline}
	for _, path := range []string{k.Page, k.Pipeline} {
		if path != "" && !strings.HasPrefix(path, "/") {
			return d, fmt.Errorf("--page, --pipeline: %q: want a path that begins with /", path)
		}
	}
	if d.URL, err = address("--url", k.URL, c.Listen); err != nil {
		return d, err
	}
	d.Admin, err = address("--admin", k.Admin, c.Admin.Listen)
	return d, err
}

// address is what a flag says, or else a listener of the configuration.
func address(flag, text, listen string) (string, error) {
	if text == "" {
		text = reachable(listen)
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%s: is not an address such as https://app.example.com", flag)
	}
	return strings.TrimSuffix(text, "/"), nil
}

// verdicts are as people see them at a glance.
var verdicts = map[after.Verdict]string{after.OK: "ok", after.Failed: "FAILED", after.Unknown: "?"}

func reportText(r after.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s\n", r.URL, map[bool]string{true: "behind Sluice", false: "without Sluice"}[r.Sluice])
	for _, p := range r.Points {
		line := p.Found
		if p.Do != "" {
			line += "\n" + strings.Repeat(" ", 25) + "-> " + p.Do
		}
		fmt.Fprintf(&b, "%-7s %-16s %s\n", verdicts[p.Verdict], p.Name, line)
	}
	fmt.Fprintf(&b, "%d ok, %d failed, %d cannot be told from here\n", r.Count(after.OK), r.Count(after.Failed), r.Count(after.Unknown))
	return b.String()
}
