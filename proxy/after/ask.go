package after

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"time"
)

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// largest is how much of an answer is read.
const largest = 4 << 20

// ask gets a path. Credentials make it a user's.
func (v *visit) ask(ctx context.Context, path string, credentials http.Header) answer {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := v.open(ctx, path, credentials)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largest))
	return answer{resp.StatusCode, resp.Header, body, err}
}

// open is ask for an answer that goes on. headers are names and values in turn.
func (v *visit) open(ctx context.Context, path string, credentials http.Header, headers ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.URL+path, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, credentials)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1]) //nolint:gosec // G602: pairs
	}
	return v.client.Do(req)
}

// media is the content type without its parameters.
func media(h http.Header) string {
	m, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return m
}

// says is the status as people write it, or what went wrong.
func (a answer) says() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprint(a.status, " ", http.StatusText(a.status))
}

// config tells Sluice's answer, with the user's transport, from the app's, which has
// no such path. Without a good credential Sluice answers 401.
func (a answer) config() (sluice bool, transport string) {
	var c struct{ Transport string }
	if a.err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &c) != nil {
		return a.status == http.StatusUnauthorized && media(a.header) == "application/problem+json", ""
	}
	return c.Transport != "", c.Transport
}

// page is a page of notifications, from Sluice or the app.
type page struct {
	Notifications *[]item
	Cursor        string
}

// item is what every reader of a notification needs. The app alone gives the
// context as text.
type item struct {
	ID        string
	Level     string
	CreatedAt string `json:"created_at"`
}

// page reads a page, and says what is wrong with it.
func (a answer) page() (p page, wrong string) {
	switch {
	case a.err != nil || a.status != http.StatusOK:
		return p, a.says()
	case media(a.header) != "application/json":
		return p, fmt.Sprintf("200 with Content-Type %q", a.header.Get("Content-Type"))
	case json.Unmarshal(a.body, &p) != nil:
		return p, "200 with something else than JSON of the right form"
	case p.Notifications == nil:
		return p, `200 without "notifications"`
	}
	for _, n := range *p.Notifications {
		if _, err := n.created(); n.ID == "" || n.Level == "" || err != nil {
			return p, fmt.Sprintf("a notification without id, level or a created_at: %.100q", n)
		}
	}
	if !slices.IsSortedFunc(*p.Notifications, newestFirst) {
		return p, "200 with the oldest first"
	}
	return p, ""
}

// newestFirst is the order of a page: clients turn it around.
func newestFirst(a, b item) int {
	at, _ := a.created()
	bt, _ := b.created()
	return bt.Compare(at)
}

// created reads the time as Sluice writes it, or as the app does.
func (n item) created() (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, n.CreatedAt); err == nil {
		return t, nil
	}
	return time.Parse(time.DateTime, n.CreatedAt)
}

// firstLine reads the first line of a stream, and how long it took.
func firstLine(ctx context.Context, body io.Reader) (line string, took time.Duration, err error) {
	began := time.Now()
	one := make([]byte, 1)
	for len(line) < 200 {
		if _, err := body.Read(one); err != nil {
			if ctx.Err() != nil {
				err = fmt.Errorf("nothing for %s", timeout)
			}
			return line, time.Since(began), err
		}
		if one[0] == '\n' {
			break
		}
		line += string(one)
	}
	return line, time.Since(began), nil
}
