package sqlstore

import (
	"context"
	"database/sql"
	"sync"
)

// preparedDB keeps statements: for SQLite, to understand the statement
// of an empty poll is two thirds of the work. There are few, none made of what users send.
type preparedDB struct {
	*sql.DB
	mu   sync.Mutex
	kept map[string]*sql.Stmt // by text
}

func newPreparedDB(db *sql.DB) *preparedDB { return &preparedDB{DB: db, kept: map[string]*sql.Stmt{}} }

// statement lasts until the database is closed.
func (p *preparedDB) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept[query] == nil {
		made, err := p.PrepareContext(ctx, query) //nolint:sqlclosecheck // it is kept
		if err != nil {
			return nil, err
		}
		p.kept[query] = made
	}
	return p.kept[query], nil
}

// QueryContext is the database's own, with a statement that is kept. It is prepared once on
// each connection.
func (p *preparedDB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	kept, err := p.statement(ctx, query) //nolint:sqlclosecheck // it is kept
	if err != nil {
		return nil, err
	}
	return kept.QueryContext(ctx, args...)
}

// preparedTx is the same in a transaction.
type preparedTx struct {
	*sql.Tx
	db *preparedDB
}

func (t preparedTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	kept, err := t.db.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return t.StmtContext(ctx, kept).QueryContext(ctx, args...) //nolint:sqlclosecheck // the transaction ends it
}
