package shadow

import (
	"context"
	"slices"
	"time"

	"sluice/backend"
)

// sight is what a look at the store found of an item.
type sight int

const (
	unknown sight = iota // nobody looked, or it could not be told
	there                // polls deliver it
	changed              // its id is there, but it has expired or has another created_at
	absent               // there is no such id
	tooOld               // the store does not reach back to it
)

const (
	// mostListed bounds the pages of one look.
	mostListed = 3
	// mostFound bounds the items that one look asks for by their ids.
	mostFound = 20
	pageSize  = 100
)

// look sees which of some items are in the store.
func (p *poller) look(ctx context.Context, items []item) map[item]sight {
	seen := map[item]sight{}
	if len(items) == 0 {
		return seen
	}
	oldest := slices.MinFunc(items, func(a, b item) int { return int(a.second - b.second) }).second
	listed, end := p.list(ctx, oldest)
	asked := 0
	for _, i := range items {
		switch {
		case listed[i]:
			seen[i] = there
		case end == absent && asked < mostFound:
			asked++
			seen[i] = p.find(ctx, i)
		case end == tooOld:
			seen[i] = tooOld
		}
	}
	return seen
}

// list is what polls deliver of the items that were created from a second on; end
// says why others are not in it.
func (p *poller) list(ctx context.Context, from int64) (listed map[item]bool, end sight) {
	listed = map[item]bool{}
	place := backend.Since(time.Unix(from, 0)).Seal(p.user)
	for range mostListed {
		page, err := p.read(ctx, p.Store, backend.Query{After: place, Limit: pageSize})
		if err != nil {
			return listed, unknown
		}
		for _, n := range page.Items {
			listed[itemOf(n.Key)] = true
		}
		switch {
		case page.Reset:
			return listed, tooOld
		case !page.More:
			return listed, absent
		}
		place = page.Place
	}
	return listed, unknown
}

// find looks for the row of an item that polls do not deliver.
func (p *poller) find(ctx context.Context, i item) sight {
	page, err := p.read(ctx, p.Store, backend.Query{After: i.id, Limit: 1})
	switch {
	case err != nil:
		return unknown
	case page.Reset && page.Check == backend.CheckGap:
		return tooOld
	case page.Reset:
		return absent
	}
	return changed
}
