// Package upstream reads notifications by asking the app's own
// GET /api/notifications, with the user's own credential. It needs no access to
// the app's database, and sees no more than that endpoint shows: the newest 100
// rows. Where these do not reach back to a reader's place, the answer says so.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"sluice/backend"
)

const (
	// LookBack is how late a row may become visible after its created_at without
	// being lost. It is short because it has to fit into one page of the app.
	LookBack = time.Minute
	// pageSize is the app's own limit.
	pageSize = 100
	// maxAnswer bounds an answer of the app in bytes: a hundred rows of 40 KiB.
	maxAnswer = 4 << 20
	// idleConns is how many idle connections to the app are kept; net/http's
	// default of two would open a new one for almost every read under load.
	idleConns = 100
)

// Options for a Source.
type Options struct {
	URL     *url.URL      // the app, without a path
	Name    string        // of the app's auth cookie, or of the header that names the user
	Timeout time.Duration // of one read, body included
}

// Source is a backend.Source over the app's endpoint.
type Source struct {
	endpoint string
	options  Options
	client   *http.Client
}

// New prepares a source; it does not connect.
func New(o Options) *Source {
	endpoint := o.URL.JoinPath("/api/notifications")
	endpoint.RawQuery = fmt.Sprintf("limit=%d", pageSize)
	return &Source{
		endpoint: endpoint.String(),
		options:  o,
		client: &http.Client{
			// No proxy from the environment: the app is where the operator said.
			Transport: &http.Transport{MaxIdleConnsPerHost: idleConns, IdleConnTimeout: time.Minute},
			// A redirect is the app's way to a login page, and no list of notifications.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Close drops idle connections.
func (s *Source) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// Read implements backend.Source.
func (s *Source) Read(ctx context.Context, c backend.Caller, q backend.Query) (backend.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	list, err := s.fetch(ctx, c)
	if err != nil {
		return backend.Page{}, err
	}
	return backend.Read(list, c.User, LookBack, q)
}

func (s *Source) fetch(ctx context.Context, c backend.Caller) (*backend.List, error) {
	asked := time.Now()
	resp, err := s.ask(ctx, c)
	took := time.Since(asked)
	if err != nil {
		return nil, backend.Failed(ctx, backend.BadAnswer, "the app does not answer", err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, &backend.Error{Fault: backend.Unauthorized, Detail: "the app did not accept the credentials"}
	default:
		return nil, &backend.Error{Fault: backend.BadAnswer, Detail: fmt.Sprintf("the app answered with status %d", resp.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("more than %d bytes", maxAnswer)
	}
	if err != nil {
		return nil, backend.Failed(ctx, backend.BadAnswer, "the app's answer could not be read", err)
	}
	rows, err := parse(body, c.User)
	if err != nil {
		return nil, &backend.Error{Fault: backend.BadAnswer, Detail: "the app's answer is no list of notifications", Err: err}
	}
	return backend.NewList(rows, len(rows) >= pageSize, clock(resp).Add(-took)), nil
}

// ask sends the user's credential and nothing else of the client's request.
func (s *Source) ask(ctx context.Context, c backend.Caller) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "sluice")
	c.Authorize(req.Header, s.options.Name)
	resp, err := s.client.Do(req)
	// The URL in net/http's error is the operator's, but the cause alone reads better.
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return resp, err
}

// clock is the app's, where it tells: cursors are judged by whoever dates the rows.
// The app dates its answer after it has read, so the time it took has to come off.
func clock(resp *http.Response) time.Time {
	if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		return t
	}
	return time.Now()
}
