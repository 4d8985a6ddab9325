package sqlstore

import "context"

// The indexes that Migrate adds.
const (
	indexUser   = "sluice_notifications_user"   // (user_id, created_at, id): a poll
	indexRecent = "sluice_notifications_recent" // (created_at), with user_id and id: a look of the tail
)

// missingIndexes are those that PostgreSQL cannot use: one that was not built to
// its end is there, but not valid.
func missingIndexes(ctx context.Context, db querier) ([]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT w.name FROM (VALUES ($1::text), ($2::text)) w(name) WHERE NOT EXISTS (
		SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass('notifications') AND c.relname = w.name AND i.indisvalid)`, indexUser, indexRecent)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var missing []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		missing = append(missing, name)
	}
	return missing, rows.Err()
}
