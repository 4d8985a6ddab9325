package sqlstore

import (
	"context"
	"database/sql"
	"sync"
)

// prepared keeps the statements of one open database: SQLite takes longer to plan a read
// of a user's rows than to make it. (pgx does that by itself.)
type prepared struct {
	db   *sql.DB
	mu   sync.Mutex
	kept map[string]*sql.Stmt
}

func newPrepared(db *sql.DB) *prepared { return &prepared{db: db, kept: map[string]*sql.Stmt{}} }

// in is a statement within a transaction over the same database.
func (p *prepared) in(ctx context.Context, tx *sql.Tx, text string) (*sql.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stmt, ok := p.kept[text]
	if !ok {
		var err error
		if stmt, err = p.db.PrepareContext(ctx, text); err != nil {
			return nil, err
		}
		p.kept[text] = stmt
	}
	return tx.StmtContext(ctx, stmt), nil
}
