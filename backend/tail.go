package backend

import (
	"context"
	"time"
)

// Changes is what a Tail saw.
type Changes struct {
	Users   []string // users of whom rows became visible, each once
	Unknown bool     // something else may have changed: the tail begins here, or cannot say for whom
}

// Tail is an optional ability of a source: it follows the app's data and says
// whose has changed.
type Tail interface {
	// Look tells what became visible since the Look before it that succeeded. A
	// commit that was visible when Look began is never left out: it is named, or
	// the answer is Unknown. The first Look is Unknown. Looks do not overlap.
	Look(ctx context.Context) (Changes, error)
	// Period is how long to wait between two looks.
	Period() time.Duration
	// Vouches is how long after a read the looks that follow it prove that nothing
	// has changed; a row that becomes visible too late for the tail is hidden at
	// most so long.
	Vouches() time.Duration
	// Close ends the tail; Look is not called again.
	Close() error
}
