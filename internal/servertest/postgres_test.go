package servertest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// one asks a server for the number 1.
func one(url string) (n int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer c.Close(ctx)
	err = c.QueryRow(ctx, `SELECT 1`).Scan(&n)
	return n, err
}

func TestPostgres(t *testing.T) {
	p := StartPostgres(t)
	url := p.NewDatabase(t)
	works := func() bool { n, err := one(url); return err == nil && n == 1 }
	if !works() {
		t.Fatal("the new database does not answer")
	}
	p.Kill()
	if works() {
		t.Error("a killed server answers")
	}
	p.Start(t)
	p.Freeze()
	if works() {
		t.Error("a frozen server answers")
	}
	p.Thaw()
	Eventually(t, "a thawed server answers", works)
	p.Stop()
	p.Standby(t)
	p.Start(t)
	Eventually(t, "a replica answers", works)
	if _, err := pgx.Connect(context.Background(), url+"&target_session_attrs=primary"); err == nil {
		t.Error("the replica says that it is a primary")
	}
	p.Kill()
}
