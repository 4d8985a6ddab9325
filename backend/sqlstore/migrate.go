package sqlstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate creates the indexes that make polls cheap, or finds them in place. It
// keeps no version table in the app's database: every migration may run again.
// The database must exist and hold the app's tables.
func Migrate(ctx context.Context, dsn string) error {
	db, err := open(dsn, "rw")
	if err != nil {
		return err
	}
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableVersioning(true))
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", dsn, err)
	}
	return nil
}
