package compat

import (
	"context"
	"net/http"
	"time"

	"sluice/backend"
)

// visit is what a reader that names no place gets.
type visit struct {
	known  Browser
	place  string // proven, see Browser.prove
	proven bool
	back   Return // empty when it was not just here
	short  bool   // a stream must be short, since the browser holds enough long ones
}

// enter notes a new stream of a browser. Where nothing can be remembered, a
// reader without a place gets what the app itself would send it.
func (b *Bridge) enter(ctx context.Context, browser, user string, stream uint64, named bool) (v visit) {
	now := time.Now()
	ok := b.remember(ctx, browser, func(s *Browser) {
		v = visit{}
		if !named {
			v.place, v.proven = s.prove(user, now)
			v.back = returned(s.Ended)
			v.short = !s.enter(stream, now, b.options.OldPageDuration)
		}
		v.known = *s
	})
	if !ok {
		return visit{}
	}
	if v.back != "" {
		b.options.Observer.Returned(v.back)
	}
	return v
}

// leave notes a stream's end. It outlives the request, which may be over.
func (b *Bridge) leave(ctx context.Context, browser string, stream uint64, returns bool, place string) {
	now := time.Now()
	b.remember(context.WithoutCancel(ctx), browser, func(s *Browser) { s.leave(stream, now, returns, place) })
}

// remember changes what is remembered of a browser, and reports whether it could.
func (b *Bridge) remember(ctx context.Context, browser string, change func(*Browser)) bool {
	err := b.options.Browsers.Update(ctx, browser, change)
	if err != nil {
		b.options.Observer.BrowserUnknown(err)
	}
	return err == nil
}

// begin is the first read for a reader that names no place.
func (b *Bridge) begin(ctx context.Context, browser string, c backend.Caller, v visit) (backend.Page, error) {
	if v.proven {
		return b.options.Source.Read(ctx, c, backend.Query{After: v.place, Limit: replay})
	}
	place, err := b.resumeAt(ctx, c, v.known)
	if err != nil {
		return backend.Page{}, err
	}
	if place == "" {
		return b.greet(ctx, browser, c)
	}
	page, err := b.options.Source.Read(ctx, c, backend.Query{After: place, Limit: mostRepeats})
	if err == nil && page.More {
		// An older backlog is left to the activity page.
		return b.options.Source.Read(ctx, c, backend.Query{Limit: mostRepeats})
	}
	return page, err
}

// greet is what an unknown browser gets: the newest items, as from the app. Only
// what is older than these need never be shown to it.
func (b *Bridge) greet(ctx context.Context, browser string, c backend.Caller) (backend.Page, error) {
	page, err := b.options.Source.Read(ctx, c, backend.Query{Limit: replay})
	if err != nil {
		return page, err
	}
	place := page.Place
	if len(page.Items) > 0 {
		place = backend.Since(page.Items[0].Time()).Seal(c.User)
	}
	b.remember(ctx, browser, func(s *Browser) {
		if s.Cursor == "" {
			s.Cursor = place
		}
	})
	return page, nil
}

// resumeAt is where a browser starts without proof: its legacy cursor or, since
// it may have received less, some time ago. Empty when it was shown nothing.
func (b *Bridge) resumeAt(ctx context.Context, c backend.Caller, known Browser) (string, error) {
	place := known.Cursor
	if known.Passed != nil {
		shown, err := b.shown(ctx, c, known.Passed)
		if err != nil {
			return "", err
		}
		place = laterSealed(c.User, place, shown)
	}
	if place == "" {
		return "", nil
	}
	recent := backend.Since(time.Now().Add(-overlap)).Seal(c.User)
	if compareSealed(c.User, recent, place) < 0 {
		return recent, nil
	}
	return place, nil
}

// shown is the place after the longest run of items without a gap that went by
// on the app's own stream: the app sends newest first and skips some, so the
// newest one that was shown proves nothing about those before it.
func (b *Bridge) shown(ctx context.Context, c backend.Caller, p *passed) (string, error) {
	place := backend.Cursor{Key: p.Begin, Settled: true}.Seal(c.User)
	for {
		page, err := b.options.Source.Read(ctx, c, backend.Query{After: place, Limit: mostRepeats})
		if err != nil || page.Reset {
			return "", err
		}
		if page.Repeated > 0 { // something slid in behind the place, which has it in no checksum
			return place, nil
		}
		for i, n := range page.Items {
			if !p.has(n.Key) {
				return place, nil
			}
			place = page.Marks[i].Seal(c.User)
		}
		if !page.More {
			return place, nil
		}
	}
}

// Resume is the place from which a poll goes on after what the request's browser
// was shown over the legacy stream; empty where that is not known, or so long
// ago that the newest page serves better.
func (b *Bridge) Resume(ctx context.Context, r *http.Request, c backend.Caller) (string, error) {
	var known Browser
	b.remember(ctx, browserOf(r, c), func(s *Browser) { known = *s })
	place, err := b.resumeAt(ctx, c, known)
	if err != nil || place == "" {
		return "", err
	}
	page, err := b.options.Source.Read(ctx, c, backend.Query{After: place, Limit: mostRepeats})
	if err != nil || page.More {
		return "", err
	}
	return place, nil
}
