package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// errSecond is that a read which was to be one statement needs more of them, and so a
// transaction.
var errSecond = errors.New("a second statement would see another state")

// single lets one statement through.
type single struct {
	querier
	asked bool
}

func (s *single) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if s.asked {
		return nil, errSecond
	}
	s.asked = true
	return s.querier.QueryContext(ctx, query, args...)
}
