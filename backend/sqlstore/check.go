package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// scanTimeout bounds the search for a row that cannot be ordered; it may read
// the whole table.
const scanTimeout = 3 * time.Second

// Check looks at what polls depend on. The error is what would keep them from
// being answered, hints are what would make them slow.
func (s *Store) Check(ctx context.Context) (hints []string, err error) {
	if err := s.Ping(ctx); err != nil {
		return nil, err
	}
	v, err := s.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer v.end()
	// No row, but every column.
	if _, err := (&snapshot{view: v}).Newest(0); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	missing, err := s.missingIndexes(ctx, v)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	for _, name := range missing {
		hints = append(hints, "the index "+name+" is missing; sluice migrate adds it")
	}
	hint, err := ahead(ctx, v)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if hint != "" {
		hints = append(hints, hint)
	}
	if err := unordered(ctx, v); errors.Is(err, errTooMany) {
		hints = append(hints, err.Error())
	} else if err != nil {
		return hints, fmt.Errorf("store: %w", err)
	}
	return hints, nil
}

// mostAhead is how far clocks of a healthy app may be apart. Beyond LookBack a row hides those
// that follow it with the right time.
const mostAhead = LookBack / 4

// ahead is about a row that is dated in the future, if there is one: a clock that is wrong, or
// one of several writers that takes local time for UTC.
func ahead(ctx context.Context, v *view) (hint string, err error) {
	scan, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	var user sql.NullString
	var at created
	var id string
	err = v.QueryRowContext(scan, v.sql.recent, v.sql.moment(v.now.Add(mostAhead).UnixMicro()), 1).Scan(&at, &id, &user)
	switch {
	case errors.Is(err, sql.ErrNoRows), err != nil && scan.Err() != nil && ctx.Err() == nil:
		return "", nil // without an index that may take long, which the hints say
	case err != nil:
		return "", err
	}
	key, err := at.key(id)
	if err != nil {
		return "", nil //nolint:nilerr // unordered names it
	}
	return fmt.Sprintf("row %q has a created_at that is %s ahead of the clock: what its user gets after it, with a created_at more than %s before it, is never delivered",
		id, key.Time().Sub(v.now).Round(time.Second), LookBack), nil
}

var errTooMany = fmt.Errorf("not all rows could be looked at within %s for a created_at that cannot be ordered", scanTimeout)

// unordered is about a row whose created_at cannot be ordered, if there is one.
func unordered(ctx context.Context, v *view) error {
	scan, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	_, err := scanKey(v.QueryRowContext(scan, v.sql.unordered))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil && scan.Err() != nil && ctx.Err() == nil:
		return errTooMany
	}
	return err
}
