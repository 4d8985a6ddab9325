package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Direction is which way a migration goes.
type Direction bool

// Up adds the indexes, Down removes them.
const (
	Up   Direction = true
	Down Direction = false
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate adds the two indexes that make polls and the tail cheap to the app's
// SQLite database, which must exist, or removes them. Where the app's tables do
// not exist yet, Up creates them as the app would; Down leaves them alone, since
// they may hold data by then. Either may run again: no version table is kept in
// the app's database.
func Migrate(ctx context.Context, dsn string, direction Direction) error {
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
	if err := run(ctx, p, direction); err != nil {
		return fmt.Errorf("%s: %w", dsn, err)
	}
	return nil
}

func run(ctx context.Context, p *goose.Provider, direction Direction) error {
	var err error
	if direction == Up {
		_, err = p.Up(ctx)
	} else {
		_, err = p.DownTo(ctx, 0)
	}
	if partial := (*goose.PartialError)(nil); errors.As(err, &partial) {
		err = partial.Err // without goose's account of files and durations
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
