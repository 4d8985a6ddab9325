package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"sluice/backend"
)

const (
	// MaxConns bounds what polls take of the server's connections; a poll needs
	// one for some milliseconds.
	MaxConns = 16
	// connIdle lets the connections of a rush go again.
	connIdle = 5 * time.Minute
	// connectTimeout is for the connection to one host, unless the DSN has one.
	connectTimeout = 5 * time.Second
	// pgxConnectTimeout is what pgx takes when nobody says.
	pgxConnectTimeout = 2 * time.Minute
)

// postgresServer is the engine for a PostgreSQL database.
type postgresServer struct {
	config *pgx.ConnConfig
	db     *sql.DB
	// statements for the tables as they were last found; nil: look again.
	statements atomic.Pointer[statements]
}

// readerParams are settings of the sessions that read.
var readerParams = map[string]string{
	"default_transaction_read_only": "on",
	// Polls and looks read ranges in the order of an index. By statistics that lag
	// behind, fetching all of a range and sorting it may look cheaper.
	"enable_bitmapscan": "off",
	"enable_seqscan":    "off",
	// What the lines above are overridden by looks expensive enough to be compiled.
	"jit": "off",
}

// OpenPostgres prepares a store over the app's PostgreSQL database; dsn is a
// postgres:// URL or key=value text, and never shown. The server need not be
// there yet: reads fail with backend.Unavailable until it is.
func OpenPostgres(dsn string) (*Store, error) {
	config, err := connConfig(dsn)
	if err != nil {
		return nil, err
	}
	maps.Copy(config.RuntimeParams, readerParams)
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(MaxConns)
	db.SetMaxIdleConns(MaxConns)
	db.SetConnMaxIdleTime(connIdle)
	return &Store{engine: &postgresServer{config: config, db: db}, timeout: readTimeout}, nil
}

// connConfig reads a DSN. pgx's own error may quote the password, so it is not passed on.
func connConfig(dsn string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("store.dsn: is neither a postgres:// URL nor key=value text that PostgreSQL understands")
	}
	if config.ConnectTimeout == pgxConnectTimeout {
		config.ConnectTimeout = connectTimeout
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "sluice"
	}
	// Where the server converts between times with and without a zone, the app
	// means UTC.
	config.RuntimeParams["timezone"] = "UTC"
	// Whatever target_session_attrs says: a replica lags behind, and a read of it
	// would hide what is there. Of several hosts the primary is taken.
	config.ValidateConnect = onlyPrimary
	return config, nil
}

// errReplica is a server that replays another's log.
var errReplica = errors.New("the server is in recovery: notifications must be read from the primary, never from a replica")

func onlyPrimary(ctx context.Context, c *pgconn.PgConn) error {
	results, err := c.Exec(ctx, "SELECT pg_is_in_recovery()").ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return errors.New("no answer from pg_is_in_recovery")
	}
	if string(results[0].Rows[0][0]) != "f" {
		return errReplica
	}
	return nil
}

func (p *postgresServer) begin(ctx context.Context) (*view, error) {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	// now() is the moment of BEGIN: the state is taken by the first query after it.
	v := &view{querier: tx, ctx: ctx, end: func() { _ = tx.Rollback() }}
	if err := p.look(ctx, v); err != nil {
		v.end()
		return nil, err
	}
	return v, nil
}

func (p *postgresServer) glance(ctx context.Context) (*view, error) {
	v := &view{querier: p.db, ctx: ctx, end: func() {}}
	err := p.look(ctx, v)
	v.querier = &single{querier: p.db}
	return v, err
}

// look finds out what a view needs besides the rows.
func (p *postgresServer) look(ctx context.Context, v *view) (err error) {
	if v.sql, err = p.find(ctx, v.querier); err != nil {
		return err
	}
	return v.QueryRowContext(ctx, "SELECT now()").Scan(&v.now)
}

// find gives the statements that fit the app's tables.
func (p *postgresServer) find(ctx context.Context, db querier) (*statements, error) {
	if s := p.statements.Load(); s != nil {
		return s, nil
	}
	columns, err := readColumns(ctx, db)
	if err != nil {
		return nil, err
	}
	d, err := columns.dialect()
	if err != nil {
		return nil, fmt.Errorf("the app's tables: %w", err)
	}
	s := d.statements()
	p.statements.Store(s)
	return s, nil
}

func (p *postgresServer) failed() { p.statements.Store(nil) }

func (p *postgresServer) missingIndexes(ctx context.Context, v *view) ([]string, error) {
	return missingIndexes(ctx, v)
}

func (p *postgresServer) tail() backend.Tail { return newPostgresTail(p) }

func (p *postgresServer) Close() error { return p.db.Close() }
