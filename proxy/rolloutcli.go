package proxy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"sluice/proxy/config"
	"sluice/rollout"
	"sluice/rollout/control"
)

// adminFlags are those of commands that speak to a running gateway.
type adminFlags struct {
	configFlag `embed:""`
	Admin      string `placeholder:"URL" help:"Admin listener of any gateway. Without it: admin.listen of the configuration."`
}

// adminClient speaks to the admin listener of a gateway.
type adminClient struct {
	base, token string
	config      config.Config
}

// adminTimeout bounds one request.
const adminTimeout = 10 * time.Second

func (f adminFlags) client(p Process) (adminClient, error) {
	c, err := f.load(p)
	if err != nil {
		return adminClient{}, err
	}
	base := f.Admin
	if base == "" {
		base = reachable(c.Admin.Listen)
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	return adminClient{strings.TrimSuffix(base, "/"), c.Admin.Token.Value(), c}, nil
}

// reachable is an address to which one can connect: a listener on every interface
// is on this one too.
func reachable(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// status asks where the rollout is.
func (a adminClient) status(ctx context.Context) (s rolloutStatus, err error) {
	return s, a.ask(ctx, http.MethodGet, "/rollout", nil, &s)
}

func (a adminClient) ask(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, content)
	if err != nil {
		return fmt.Errorf("--admin: %w", err)
	}
	if method != http.MethodGet {
		req.Header.Set("Authorization", "Bearer "+a.token)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w; is a gateway running there? --admin names another", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return a.refused(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("%s does not answer like a gateway: %w", a.base, err)
	}
	return nil
}

// refused is an answer other than 200 as an error.
func (a adminClient) refused(resp *http.Response) error {
	var p problem
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p) != nil || p.Detail == "" {
		return fmt.Errorf("%s answers %s", a.base, resp.Status)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		p.Detail += "; it comes from admin.token or admin.token_file of the configuration"
	}
	return errors.New(p.Detail)
}

type statusCommand struct {
	adminFlags `embed:""`
	Watch      bool   `help:"Show it anew every two seconds, until Ctrl-C."`
	Output     string `enum:"text,json" default:"text" help:"text or json."`
}

// watchEvery is how often --watch asks.
const watchEvery = 2 * time.Second

// Run prints where the rollout is.
func (k *statusCommand) Run(ctx context.Context, p Process) error {
	a, err := k.client(p)
	if err != nil {
		return err
	}
	for {
		s, err := a.status(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !k.Watch {
			return err
		}
		if err := k.print(p.Stdout, s, err); err != nil || !k.Watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// clearScreen begins at the top of a terminal.
const clearScreen = "\x1b[H\x1b[2J"

func (k *statusCommand) print(w io.Writer, s rolloutStatus, trouble error) error {
	switch {
	case k.Output == "json" && trouble == nil:
		return printJSON(w, s)
	case k.Output == "json":
		return printJSON(w, map[string]string{"error": trouble.Error()})
	}
	text := s.text(time.Now())
	if trouble != nil {
		text = trouble.Error() + "\n"
	}
	if k.Watch {
		text = clearScreen + text
	}
	_, err := io.WriteString(w, text)
	return err
}

// verbFlags are those of all commands that change something.
type verbFlags struct {
	adminFlags `embed:""`
	Reason     string `placeholder:"TEXT" help:"Why, for the audit."`
	Version    uint64 `placeholder:"N" help:"Only if nothing has changed since this version, as status shows it."`
}

func (f verbFlags) run(ctx context.Context, p Process, verb control.Verb, b commandBody) error {
	a, err := f.client(p)
	if err != nil {
		return err
	}
	b.Actor, b.Cause, b.Version = actor(p.Environ), f.Reason, f.Version
	var s rolloutStatus
	if err := a.ask(ctx, http.MethodPost, "/rollout/"+string(verb), b, &s); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, s.headline())
	return err
}

// actor is who runs the command, as the audit names them.
func actor(environ []string) string {
	env := map[string]string{}
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		env[name] = value
	}
	return cmp.Or(env["SUDO_USER"], env["USER"], env["LOGNAME"], "somebody")
}

type promoteCommand struct {
	verbFlags `embed:""`
	Full      bool `help:"Promote over all steps that are left, up to a retirement of the stream."`
	Force     bool `help:"Retire the stream although old pages are left, or are not counted."`
}

// Run ends the step under way.
func (k *promoteCommand) Run(ctx context.Context, p Process) error {
	return k.run(ctx, p, control.Promote, commandBody{Full: k.Full, Force: k.Force})
}

type abortCommand struct {
	verbFlags `embed:""`
}

// Run takes users back.
func (k *abortCommand) Run(ctx context.Context, p Process) error {
	return k.run(ctx, p, control.Abort, commandBody{})
}

type retryCommand struct {
	verbFlags `embed:""`
}

// Run begins again after an abort.
func (k *retryCommand) Run(ctx context.Context, p Process) error {
	return k.run(ctx, p, control.Retry, commandBody{})
}

type pauseCommand struct {
	verbFlags `embed:""`
}

// Run stops at the step under way.
func (k *pauseCommand) Run(ctx context.Context, p Process) error {
	return k.run(ctx, p, control.Pause, commandBody{})
}

type resumeCommand struct {
	verbFlags `embed:""`
}

// Run goes on.
func (k *resumeCommand) Run(ctx context.Context, p Process) error {
	return k.run(ctx, p, control.Resume, commandBody{})
}

type exportCommand struct {
	adminFlags `embed:""`
	To         string `placeholder:"FILE" help:"Write there instead of to standard output."`
}

// Run writes the flag file as it is in force: the people's, with the rollout's
// weight and stream in place of its own.
func (k *exportCommand) Run(ctx context.Context, p Process) error {
	a, err := k.client(p)
	if err != nil {
		return err
	}
	s, err := a.status(ctx)
	if err != nil {
		return err
	}
	if s.Phase == "" {
		return errors.New("the gateway does not know where the rollout is: " + cmp.Or(s.Frozen, "it has not begun"))
	}
	if a.config.Rollout.Flags == "" {
		return errors.New("rollout.flags: is empty; name the configuration with --config")
	}
	text, err := rollout.Export(a.config.Rollout.Flags, rollout.Heading{Weight: s.Weight, Stream: s.Stream})
	if err != nil {
		return err
	}
	if k.To == "" {
		_, err = p.Stdout.Write(text)
		return err
	}
	return os.WriteFile(k.To, text, 0o644) //nolint:gosec // G306: a flag file is for others to read
}
