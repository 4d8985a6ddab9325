package chaos

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// writeTimeout ends a write to a database that hangs.
const writeTimeout = 20 * time.Second

// writers are the app's background jobs: they write behind the gateways' backs,
// and go on whatever happens to the database.
type writers struct {
	*world
	users   []string
	stop    chan struct{}
	once    sync.Once
	writing sync.WaitGroup
}

// startWriters starts about 30 rows a second, besides single ones.
func (w *world) startWriters(users []string, single time.Duration) *writers {
	a := &writers{world: w, users: users, stop: make(chan struct{})}
	a.every(single, func() { a.write(1, 0, 0) })
	a.every(3*time.Second, func() { a.write(20+rand.IntN(100), 0, 0) }) // more than a page in one second
	a.every(400*time.Millisecond, a.delete)
	for range 4 { // transactions that commit late, in another order than they began
		a.every(time.Second, func() { a.write(1+rand.IntN(3), time.Duration(rand.IntN(10_000))*time.Millisecond, 0) })
	}
	if w.late {
		a.every(7*time.Second, func() { a.write(1, 0, 30+rand.IntN(15)) })
	}
	return a
}

func (a *writers) every(period time.Duration, job func()) {
	a.writing.Go(func() {
		for wait(a.stop, period) {
			job()
		}
	})
}

func (a *writers) finish() {
	a.once.Do(func() { close(a.stop) })
	a.writing.Wait()
}

// write writes n rows of one user in one transaction that stays open for a while,
// or rows that were created so many seconds ago. It may fail: what is in the
// database in the end decides.
func (a *writers) write(n int, open time.Duration, ago int) {
	user := a.users[rand.IntN(len(a.users))]
	ids := make([]string, n)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	a.books.writing(user, ago > 0, ids...)
	if a.try(user, ids, open, ago) == nil {
		a.books.committed(ids...)
	}
}

func (a *writers) try(user string, ids []string, open time.Duration, ago int) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := insert(ctx, tx, user, ids, ago); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	wait(a.stop, open)
	return tx.Commit()
}

func insert(ctx context.Context, tx *sql.Tx, user string, ids []string, ago int) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO notifications (id, user_id, level, title, text, context, created_at)
		SELECT id, $1, 'info', 'For', $1, '{"job_id":"7"}', to_char((now() - $3 * interval '1 second') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
		FROM unnest($2::text[]) AS id`, user, ids, ago)
	return err
}

func (a *writers) delete() {
	id := a.books.pickForDeletion()
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	_, _ = a.db.ExecContext(ctx, `DELETE FROM notifications WHERE id = $1`, id) // may fail
}

// stored is what is in the database: the users' ids.
func (w *world) stored(ctx context.Context) (map[string]map[string]bool, error) {
	rows, err := w.db.QueryContext(ctx, `SELECT user_id, id FROM notifications`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]map[string]bool{}
	for rows.Next() {
		var user, id string
		if err := rows.Scan(&user, &id); err != nil {
			return nil, err
		}
		if all[user] == nil {
			all[user] = map[string]bool{}
		}
		all[user][id] = true
	}
	return all, rows.Err()
}
