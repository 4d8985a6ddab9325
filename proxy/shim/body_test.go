package shim

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// inject sends what app writes through Inject; it returns once Inject has.
func inject(app func(io.Writer) error) (io.ReadCloser, Result) {
	body, in := io.Pipe()
	go func() { in.CloseWithError(app(in)) }()
	resp := &http.Response{StatusCode: http.StatusOK, Request: &http.Request{Host: "app.test"}, Body: body, Header: header("Content-Type: text/html")}
	result := Inject(resp)
	return resp.Body, result
}

// Nothing waits but for the head, and not for long; all that was held back then goes
// on as it came.
func TestAnAppThatPauses(t *testing.T) {
	for name, c := range map[string]struct {
		first string
		wait  time.Duration // until the header goes on
		want  Result
	}{
		"after the head":               {"<html><head>", 0, Injected},
		"after the title":              {"<html><head><title>x", 0, Injected},
		"in a text":                    {"Working...", 0, NoHead},
		"in a fragment":                {"<div>", 0, NoHead},
		"before the head":              {"<html>", patience, Late},
		"in the tag":                   {"<html><head lang=\"", patience, Late},
		"in its name":                  {"<he", patience, Late},
		"at the first of all":          {"<", patience, Late},
		"in the mark of the byteorder": {"\xef\xbb", patience, Late},
		"before anything":              {"", patience, Late},
		"in a comment":                 {"<!-- wait -", patience, Late},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const second = "-->></html>"
				start := time.Now()
				body, result := inject(func(w io.Writer) error {
					if c.first != "" {
						io.WriteString(w, c.first)
					}
					time.Sleep(time.Minute)
					io.WriteString(w, second)
					return nil
				})
				if took := time.Since(start); took != c.wait || result != c.want {
					t.Errorf("%s after %s", result, took)
				}
				first := c.first
				if result == Injected {
					first = strings.Replace(first, "<head>", "<head>"+tag(""), 1)
				}
				got := make([]byte, len(first))
				if _, err := io.ReadFull(body, got); err != nil || string(got) != first || time.Since(start) != c.wait {
					t.Errorf("%q, %v after %s", got, err, time.Since(start))
				}
				rest, err := io.ReadAll(body)
				if err != nil || string(rest) != second || time.Since(start) != time.Minute {
					t.Errorf("%q, %v after %s", rest, err, time.Since(start))
				}
			})
		})
	}
}

// How a body ends is passed on, and a read under way ends when it is closed.
func TestAnAppThatBreaksOff(t *testing.T) {
	broken := errors.New("broken")
	for first, want := range map[string]Result{"": NoPage, "<html>": NoPage, "<html><head>": Injected, "text": NoHead} {
		body, result := inject(func(w io.Writer) error { io.WriteString(w, first); return broken })
		got, err := io.ReadAll(body)
		if text := strings.Replace(string(got), tag(""), "", 1); !errors.Is(err, broken) || text != first || result != want {
			t.Errorf("%q: %s, %q, %v", first, result, got, err)
		}
	}
	resp := &http.Response{StatusCode: http.StatusOK, Request: &http.Request{}, Body: io.NopCloser(&once{broken}), Header: header("Content-Type: text/html")}
	Inject(resp)
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, broken) {
		t.Errorf("an error that is said once: %v", err)
	}
	synctest.Test(t, func(*testing.T) { // which wants every goroutine to end
		left := make(chan struct{})
		body, _ := inject(func(w io.Writer) error { _, err := io.WriteString(w, "<html>"); <-left; return err })
		body.Close()
		close(left)
	})
}

// once is a reader that fails once, and has come to its end then.
type once struct{ err error }

func (o *once) Read([]byte) (int, error) {
	err := o.err
	o.err = io.EOF
	return 0, err
}
