package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sluice/backend/feed"
	"sluice/backend/sqlstore"
	"sluice/internal/redisconn"
	"sluice/proxy/config"
	"sluice/rollout"
	"sluice/rollout/spec"
)

// checkTimeout bounds each look at something outside.
const checkTimeout = 5 * time.Second

type checkCommand struct {
	configFlag      `embed:""`
	credentialsFlag `embed:""`
	afterFlags      `embed:""`
	streamCheck     `embed:""`
}

// Run prints a line for each thing that serving depends on, and fails if any is
// wrong.
func (k *checkCommand) Run(ctx context.Context, p Process) error {
	header, environ, err := k.header(p.Environ)
	if err != nil {
		return err
	}
	p.Environ = environ
	c, err := k.load(p)
	switch {
	case err != nil:
		return err
	case k.After:
		return k.run(ctx, p, header, c)
	case k.afterFlags != (afterFlags{Output: "text"}):
		return errors.New("--url, --admin, --page, --pipeline and --output belong to --after")
	case k.Stream != "":
		return k.lookAtStream(ctx, p, header, c.Compat.Heartbeat)
	}
	bad := 0
	for _, item := range checklist(c) {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		hints, err := item.look(ctx)
		verdict := "ok"
		if err != nil {
			verdict, bad = err.Error(), bad+1
		} else if len(hints) > 0 {
			verdict = "ok, but " + strings.Join(hints, "; ")
		}
		cancel()
		fmt.Fprintf(p.Stdout, "%-8s %s\n", item.name, verdict)
	}
	if bad > 0 {
		return fmt.Errorf("%d of the above must be put right", bad)
	}
	return nil
}

type checkItem struct {
	name string
	look func(context.Context) (hints []string, err error)
}

// only is a look that has no hints.
func only(look func(context.Context) error) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) { return nil, look(ctx) }
}

func checklist(c config.Config) []checkItem {
	items := []checkItem{
		{"auth", only(func(ctx context.Context) error { return checkAuth(ctx, c) })},
		{"app", only(func(ctx context.Context) error { return checkApp(ctx, c) })},
		{"store", func(ctx context.Context) ([]string, error) { return checkStore(ctx, c) }},
	}
	if c.Store.Driver == "upstream" {
		items = append(items, checkItem{"changes", func(context.Context) ([]string, error) { return []string{signalHint(c)}, nil }})
	}
	if c.Redis.URL.Value() != "" {
		items = append(items, checkItem{"redis", only(func(ctx context.Context) error { return checkRedis(ctx, c) })})
	}
	if c.Rollout.Flags != "" {
		items = append(items, checkItem{"flags", only(func(context.Context) error { return rollout.Check(c.Rollout.Flags) })})
	}
	if c.Rollout.Spec != "" {
		items = append(items, checkItem{"rollout", func(context.Context) ([]string, error) { return checkSpec(c) }})
	}
	return items
}

// signalHint says what it costs that the app's endpoint cannot be followed, and
// the line in the app that would change it.
func signalHint(c config.Config) string {
	line := `set admin.token, and POST {"user_id": …} with it to http://` + c.Admin.Listen + `/internal/changed`
	switch {
	case c.Redis.URL.Value() != "":
		line = `PUBLISH ` + feed.Channel + ` <user id> in Redis`
	case c.Admin.Token.Value() != "":
		line = `POST {"user_id": …} to http://` + c.Admin.Listen + `/internal/changed with the admin token`
	}
	deaf, told := c.StalenessBound(false), c.StalenessBound(true)
	if deaf == told {
		return fmt.Sprintf("the app's endpoint cannot be followed: an item may wait %s; to end that wait, the app can, after each commit, %s", deaf, line)
	}
	return fmt.Sprintf("the app's endpoint cannot be followed: until the app signals changes, a cached answer is believed for %s, and each idle user costs it %.1f reads a minute; "+
		"%.1f, and no wait, if it does after each commit one thing more: %s", deaf, readsAMinute(deaf, c.Poll.Interval), readsAMinute(told, c.Poll.Interval), line)
}

// readsAMinute of an idle user who polls once an interval: the first poll after
// the bound reads.
func readsAMinute(bound, interval time.Duration) float64 {
	return time.Minute.Seconds() / (interval * (bound/interval + 1)).Seconds()
}

// checkApp asks the app's endpoint without a credential: 401 is the right answer.
func checkApp(ctx context.Context, c config.Config) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Upstream.URL+"/api/notifications?limit=1", nil)
	if err != nil {
		return err
	}
	client := &http.Client{
		Transport:     &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("upstream.url: %w", err)
	}
	_ = resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound && c.Store.Driver == "upstream":
		return errors.New("upstream.url: the app has no /api/notifications, which store.driver: upstream reads")
	case resp.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("upstream.url: the app answers %s to GET /api/notifications", resp.Status)
	}
	return nil
}

// checkSpec leaves what is wrong with the flag file to the check of that.
func checkSpec(c config.Config) (hints []string, err error) {
	s, err := spec.Load(c.Rollout.Spec)
	if err != nil {
		return nil, fmt.Errorf("rollout.spec: %w", err)
	}
	site, err := rolloutSite(c)
	if err != nil {
		return nil, nil //nolint:nilerr // see above
	}
	return s.Advice(site), nil
}

func checkStore(ctx context.Context, c config.Config) (hints []string, err error) {
	s, err := openStore(c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	if database, ok := s.(*sqlstore.Store); ok {
		if hints, err = database.Check(ctx); err != nil {
			return nil, fmt.Errorf("store.dsn: %w", err)
		}
	}
	return hints, nil
}

func checkRedis(ctx context.Context, c config.Config) error {
	client, err := redisconn.Open(c.Redis.URL.Value(), c.Redis.Timeout)
	if err == nil {
		defer func() { _ = client.Close() }()
		err = client.Ping(ctx).Err()
	}
	if err != nil {
		return fmt.Errorf("redis.url: %w", err)
	}
	return nil
}
