package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"sluice/proxy/after"
	"sluice/proxy/config"
)

// afterFlags are those of `sluice check --after`.
type afterFlags struct {
	After     bool   `help:"Go through what must hold after the migration, against a live deployment. The flags below belong to it; the token of a user who is signed in comes from SLUICE_CHECK_TOKEN."`
	URL       string `name:"url" placeholder:"URL" help:"Public address. Without it: listen of the configuration."`
	Admin     string `placeholder:"URL" help:"Admin listener of any gateway. Without it: admin.listen of the configuration."`
	TokenFile string `placeholder:"FILE" help:"File that holds the token."`
	Page      string `placeholder:"PATH" help:"Page that shows notifications, such as /dashboard."`
	Pipeline  string `placeholder:"PATH" help:"Stream of a job that is under way, such as /api/pipelines/stream?job_id=7."`
	Output    string `enum:"text,json" default:"text" help:"text or json."`
}

// tokenVariable is no part of the configuration: it is nobody's but this command's.
const tokenVariable = "SLUICE_CHECK_TOKEN"

// run prints a line for each point, and fails if any does not hold.
func (k afterFlags) run(ctx context.Context, p Process, f configFlag) error {
	token, environ := takeVariable(p.Environ, tokenVariable)
	p.Environ = environ
	c, err := f.load(p)
	if err != nil {
		return err
	}
	d, err := k.deployment(c, token)
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
func (k afterFlags) deployment(c config.Config, token string) (d after.Deployment, err error) {
	d = after.Deployment{Cookie: c.Auth.Cookie, Token: token, Page: k.Page, Pipeline: k.Pipeline}
	if k.TokenFile != "" {
		text, err := os.ReadFile(k.TokenFile)
		if err != nil {
			return d, fmt.Errorf("--token-file: %w", err)
		}
		d.Token = strings.TrimSpace(string(text))
	}
	if strings.ContainsAny(d.Token, " \t\r\n\";,\\") {
		return d, errors.New(tokenVariable + ", --token-file: is no token; want what the cookie " + d.Cookie + " holds, and nothing else")
	}
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

// takeVariable takes a variable out of an environment.
func takeVariable(environ []string, name string) (value string, rest []string) {
	for _, v := range environ {
		if text, found := strings.CutPrefix(v, name+"="); found {
			value = text
			continue
		}
		rest = append(rest, v)
	}
	return value, rest
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
