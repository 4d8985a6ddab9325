package sqlstore

import (
	"slices"

	"sluice/backend"
)

// snapshot is one user's rows in a view: a backend.Snapshot.
type snapshot struct {
	*view
	owner any // the user, as a parameter
}

func (s *snapshot) Now() int64 { return s.now.UnixMicro() }

func (s *snapshot) Keys(from int64, to backend.Key) ([]backend.Key, bool, error) {
	at, id := s.sql.place(to)
	keys, err := collect(s, scanKey, s.sql.keys, s.owner, s.sql.moment(from), at, id)
	return keys, true, err
}

func (s *snapshot) Span(from int64, to backend.Key) ([]backend.Notification, error) {
	at, id := s.sql.place(to)
	return s.items(s.sql.span, s.sql.unlimited, s.sql.moment(from), at, id)
}

func (s *snapshot) After(k backend.Key, n int) ([]backend.Notification, bool, error) {
	at, id := s.sql.place(k)
	items, err := s.items(s.sql.after, n, at, id)
	return items, true, err
}

func (s *snapshot) Before(k backend.Key, n int) ([]backend.Notification, error) {
	at, id := s.sql.place(k)
	items, err := s.items(s.sql.before, n, at, id)
	slices.Reverse(items)
	return items, err
}

func (s *snapshot) Newest(n int) ([]backend.Notification, error) { return s.newest(n) }

func (s *snapshot) All() ([]backend.Notification, error) { return s.newest(s.sql.unlimited) }

func (s *snapshot) newest(limit any) ([]backend.Notification, error) {
	items, err := s.items(s.sql.newest, limit)
	slices.Reverse(items)
	return items, err
}

func (s *snapshot) Find(id string) (backend.Key, bool, error) {
	param, possible := s.sql.itemID(id)
	if !possible {
		return backend.Key{}, false, nil
	}
	keys, err := collect(s, scanKey, s.sql.find, s.owner, param)
	if err != nil || len(keys) == 0 {
		return backend.Key{}, false, err
	}
	return keys[0], true, nil
}

// items runs a query over live rows; args belong to its condition.
func (s *snapshot) items(query string, limit any, args ...any) ([]backend.Notification, error) {
	args = append([]any{s.owner, limit, s.sql.now(s.Now())}, args...)
	return collect(s, scanItem, query, args...)
}

func collect[T any](s *snapshot, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := s.QueryContext(s.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
