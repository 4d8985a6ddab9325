package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"sluice/rollout/control"
)

const (
	webhookQueue   = 100
	webhookTimeout = 5 * time.Second
)

// webhookPauses are how long after a failure an entry is sent again; then it is
// given up. The audit has it all the same.
var webhookPauses = []time.Duration{time.Second, 5 * time.Second}

// webhook posts entries of the audit, one after the other, and keeps nobody waiting.
type webhook struct {
	url    string
	log    *zap.Logger
	queue  chan control.Entry
	client *http.Client
}

func newWebhook(url string, log *zap.Logger) *webhook {
	return &webhook{url, log, make(chan control.Entry, webhookQueue), &http.Client{
		Timeout: webhookTimeout,
		// A redirect would be followed without the entry.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send queues an entry.
func (w *webhook) send(e control.Entry) {
	select {
	case w.queue <- e:
	default:
		w.log.Error("rollout: too many entries wait for the webhook; one is left out", zap.Uint64("version", e.Version))
	}
}

// run posts what is queued until ctx ends.
func (w *webhook) run(ctx context.Context) {
	defer w.client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.queue:
			w.post(ctx, e)
		}
	}
}

func (w *webhook) post(ctx context.Context, e control.Entry) {
	body, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings, numbers and times
	}
	for try := 0; ; try++ {
		err := w.try(ctx, body)
		if err == nil || ctx.Err() != nil {
			return
		}
		if try == len(webhookPauses) {
			w.log.Error("rollout: the webhook does not take an entry", zap.Uint64("version", e.Version), zap.Error(err))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(webhookPauses[try]):
		}
	}
}

func (w *webhook) try(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// withoutURL keeps the address, which may be a secret, out of the log.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
