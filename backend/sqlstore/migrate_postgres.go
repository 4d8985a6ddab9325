package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// migrateLock is the advisory lock under which one migration runs at a time.
const migrateLock = 0x736c75696365 // "sluice"

// MigratePostgres is Migrate for PostgreSQL. The indexes are built while the app
// goes on writing (CREATE INDEX CONCURRENTLY); that waits for transactions which
// began before it. An index that an aborted build left behind is built anew.
func MigratePostgres(ctx context.Context, dsn string, direction Direction) error {
	config, err := connConfig(dsn)
	if err != nil {
		return err
	}
	config.RuntimeParams["statement_timeout"] = "0" // an index over many rows takes its time
	db := stdlib.OpenDB(*config)
	defer db.Close()
	// Two at once would take each other's indexes for left over.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(migrateLock), lock.WithLockTimeout(1, 60))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, nil, goose.WithDisableVersioning(true), goose.WithDisableGlobalRegistry(true),
		goose.WithSessionLocker(locker), goose.WithGoMigrations(
			goose.NewGoMigration(1, &goose.GoFunc{RunDB: createTables}, nil),
			goose.NewGoMigration(2, &goose.GoFunc{RunDB: createIndexes}, &goose.GoFunc{RunDB: dropIndexes}),
		))
	if err != nil {
		return err
	}
	return run(ctx, p, direction)
}

// tables are the app's, where it has none yet.
var tables = map[string]string{
	notifications: `CREATE TABLE notifications (id text PRIMARY KEY, user_id text, event_id text, level text, title text, text text, context text,
		created_at text DEFAULT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), expires_at text)`,
	deliveries: `CREATE TABLE notification_deliveries (id text PRIMARY KEY, user_id text, notification_id text,
		delivered_at text, seen_at text, dismissed_at text)`,
}

func createTables(ctx context.Context, db *sql.DB) error {
	found, err := readColumns(ctx, db)
	if err != nil {
		return err
	}
	for name, create := range tables {
		if found.has(name) {
			continue
		}
		if _, err := db.ExecContext(ctx, create); err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
	}
	return nil
}

func createIndexes(ctx context.Context, db *sql.DB) error {
	found, err := readColumns(ctx, db)
	if err != nil {
		return err
	}
	if err := found.problems(); err != nil {
		return err
	}
	for _, index := range []struct{ name, columns string }{
		{indexUser, fmt.Sprintf("(%s, %s, %s)", found.bytewise("user_id"), found.bytewise("created_at"), found.bytewise("id"))},
		{indexRecent, fmt.Sprintf("(%s) INCLUDE (user_id, id) WHERE %s", found.bytewise("created_at"), owned)},
	} {
		missing, err := missingIndexes(ctx, db)
		if err != nil {
			return err
		}
		if !slices.Contains(missing, index.name) {
			continue
		}
		if err := dropIndex(ctx, db, index.name); err != nil { // left behind by a build that was aborted
			return err
		}
		if _, err := db.ExecContext(ctx, "CREATE INDEX CONCURRENTLY IF NOT EXISTS "+index.name+" ON notifications "+index.columns); err != nil {
			return fmt.Errorf("index %s: %w", index.name, err)
		}
	}
	return nil
}

func dropIndexes(ctx context.Context, db *sql.DB) error {
	return errors.Join(dropIndex(ctx, db, indexRecent), dropIndex(ctx, db, indexUser))
}

// dropIndex removes an index of the app's table, wherever the search_path finds
// that; an index of the same name elsewhere is not ours.
func dropIndex(ctx context.Context, db *sql.DB, name string) error {
	var qualified string
	err := db.QueryRowContext(ctx, `SELECT i.indexrelid::regclass::text FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass('notifications') AND c.relname = $1`, name).Scan(&qualified)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = db.ExecContext(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+qualified)
	}
	if err != nil {
		return fmt.Errorf("index %s: %w", name, err)
	}
	return nil
}
