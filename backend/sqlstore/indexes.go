package sqlstore

import "context"

// The indexes that Migrate adds.
const (
	indexUser   = "sluice_notifications_user"   // (user_id, created_at, id): a poll
	indexRecent = "sluice_notifications_recent" // (created_at), with user_id and id: a look of the tail
)

// owned is the condition of the index over created_at. It holds for every row
// that is anybody's; it is there for the planner, who can conclude it only where
// a statement says it. A poll does not: by statistics that do not yet know the
// newest rows, reading everybody's newest may look cheaper than reading the user's.
const owned = "length(user_id::text) >= 0"

// missingIndexes are those that PostgreSQL cannot use: one that was not built to
// its end is there, but not valid.
func missingIndexes(ctx context.Context, db querier) ([]string, error) {
	return list(ctx, db, `SELECT w.name FROM (VALUES ($1::text), ($2::text)) w(name) WHERE NOT EXISTS (
		SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass('notifications') AND c.relname = w.name AND i.indisvalid)`, indexUser, indexRecent)
}

// list is a query's only column.
func list(ctx context.Context, db querier, query string, args ...any) (all []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
